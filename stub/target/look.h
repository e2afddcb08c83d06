/* SPDX-License-Identifier: MIT */
/*
 * A live process that is only looked at: never traced, never stopped, never
 * written to.  Its threads, mappings and memory are those of the instant at which
 * they are asked for.  Of a thread that waits in the kernel the program counter,
 * the stack pointer and the system call's arguments are known, of others nothing.
 */
#ifndef STUB_TARGET_LOOK_H
#define STUB_TARGET_LOOK_H

#include "stub/target/target.h"

#define LOOK_TRIES     20u /* for struct space, unless the user says otherwise */
#define LOOK_TRIES_MAX 10000u

/*
 * Needs the right to ptrace the process, as live_attach() does, but not that
 * nobody else traces it.
 */
struct err *look_open(pid_t pid, unsigned int tries, struct target **ret) MUST_CHECK;

#endif
