/* SPDX-License-Identifier: MIT */
/*
 * A core file: a process that is no more.
 *
 * What is not in the core is read from the files that were mapped, if they still are
 * what they were: if the build-id in the core's memory is that of the file.  All else
 * cannot be read, and target->mem says why.
 */
#ifndef STUB_TARGET_CORE_H
#define STUB_TARGET_CORE_H

#include "stub/target/target.h"

struct core_options {
	const char *core;    /* the file */
	const char *exe;     /* the program's file as we see it, or NULL: where it was */
	const char *sysroot; /* where the mapped files are below; NULL: "/" */
	bool quiet;	     /* no warnings on stderr */
};

/*
 * ELF cores of x86-64 Linux, as the kernel or a debugger writes them.  Nothing but an
 * index is kept in memory: some 40 bytes for each segment, 100 for each thread.
 */
struct err *core_open(const struct core_options *o, struct target **ret) MUST_CHECK;

#endif
