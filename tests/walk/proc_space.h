/* SPDX-License-Identifier: MIT */
/*
 * A `struct space` over a live process, for tests that want the walker alone:
 * process_vm_readv, /proc, and PTRACE_SEIZE to stop it.
 */
#ifndef TESTS_WALK_PROC_SPACE_H
#define TESTS_WALK_PROC_SPACE_H

#include "stub/base/space.h"

#define PROC_THREADS_MAX 512

struct proc_space {
	pid_t pid;
	struct mem mem;
	struct maps maps;
	struct proc_hidden {
		uint64_t start, end;
	} * hidden; /* by address */
	size_t nhidden;
	struct space_thread threads[PROC_THREADS_MAX];
	struct space space;
};

/*
 * From now on its memory is what a core of the kernel's has: the files that it maps
 * can't be opened, and of a mapping of a file that the program never wrote to only the
 * first page can be read.  core(5), coredump_filter 0x33.
 */
void proc_space_hide_files(struct proc_space *p);

/* Seizes every thread of @pid; says on stderr why it cannot and returns false. */
bool proc_space_open(struct proc_space *p, pid_t pid);
/* Detaches and frees. */
void proc_space_close(struct proc_space *p);

/* Stops every thread and brings the space up to date; lets them run again. */
bool proc_space_stop(struct proc_space *p);
void proc_space_resume(struct proc_space *p);

#endif
