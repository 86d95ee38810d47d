/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Looks after what runs without a component: forgets positions that nobody has written for 30 days, says when
 * the store cannot be written and when it can again, and shows store and memory budget in /metrics. Control thread.
 */
struct keeper;
struct runtime;

#define KEEPER_POSITIONS_AGE_NS (INT64_C(30) * 24 * 3600 * 1000000000)

/* 0 or -errno. Loop, metrics and positions of the runtime are there, and outlive it. */
int keeper_new(struct runtime *, struct keeper **ret) __attribute__((warn_unused_result));
void keeper_free(struct keeper *);
