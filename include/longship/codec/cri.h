/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A line of a container's log as kubelet's runtimes write it: "TIME stdout|stderr P|F content". As lenient as Alloy's parser
 * (internal/component/loki/process/stages/cri/parse.go): the time is any text without white space, the flag may be missing.
 */
#include <stdbool.h>

#include "longship/base/str.h"

struct cri {
	struct str time, stream, content; /* borrow from the line */
	bool partial; /* the next line of the stream goes on with the record */
};

bool cri_parse(struct str line, struct cri *ret);
