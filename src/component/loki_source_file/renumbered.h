/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A disk may have another device number after a reboot: disks are found in another order, and btrfs, overlayfs and device mapper give numbers
 * as they come. The store's entries name files by device, inode and birth; those of a file that is still there with the same inode and
 * birth, on another number, get the name that it has now, and so do all others of that number whose paths are on the same disk. Control thread.
 */
#include "longship/base/map.h"

struct positions;

/* Of the files that a component followed under these paths (keys of the map). Before any of them is opened. */
void renumbered_adopt(struct positions *, const char *component, const struct map *paths);
