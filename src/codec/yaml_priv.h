/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a scalar means: yaml.c builds the tree, yaml_scalar.c resolves its leaves. */
#include "longship/codec/yaml.h"

/* Resolves node->text: `tag` is the full tag or empty, plain whether it stood without quotes. On failure *ret_error. */
bool yaml_scalar_resolve(struct arena *, struct yaml_tree *node, struct str tag, bool plain, struct str *ret_error);
