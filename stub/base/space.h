/* SPDX-License-Identifier: MIT */
/*
 * All that a walker of a runtime (Python, V8, native unwinding) may see of an
 * inferior: memory, mappings, the mapped files, and which thread pointers are
 * alive.  A live process, a core and a test's recorded memory all make one.
 */
#ifndef STUB_BASE_SPACE_H
#define STUB_BASE_SPACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "stub/base/maps.h"
#include "stub/base/mem.h"

struct space_thread {
	pid_t tid;   /* the operating system's thread id, in the stub's pid namespace */
	uint64_t tp; /* thread pointer: on x86-64 fs_base, which is pthread_self(); 0 if unknown */
	pid_t inner; /* its id as the inferior itself sees it; set where tp is unknown, else 0 */
};

/*
 * Registers by DWARF's numbers (x86-64 psABI, "DWARF Register Number Mapping"):
 * rax rdx rcx rbx rsi rdi rbp rsp r8..r15, and the program counter in the place
 * of the return address.
 */
#define SPACE_REGS   17u
#define SPACE_REG_FP 6u
#define SPACE_REG_SP 7u
#define SPACE_REG_PC 16u

struct space_regs {
	uint64_t value[SPACE_REGS];
	uint32_t known; /* bit N: value[N] is known */
};

/* A system call as the kernel got it: x86-64's numbers, registers' order of arguments. */
struct space_syscall {
	int64_t nr;
	uint64_t arg[6];
};

struct space {
	struct mem *mem;
	const struct maps *maps;
	const struct space_thread *threads; /* sorted by tid */
	size_t nthreads;
	/* pthread_self() lies up to so many bytes below the thread pointer; 0: it is it. */
	uint32_t tp_gap;
	/*
	 * Changes when the inferior's image is replaced (exec, another process).
	 * Facts about where things are may be kept while it stays the same.
	 */
	uint64_t epoch;

	/*
	 * A new read-only descriptor of the file behind @m, to be closed by the
	 * caller; -1 if there is none to be had.  May be NULL: no files at all.
	 */
	int (*open_map)(void *ctx, const struct map *m);
	/*
	 * The registers of a thread that may hold pointers, in no order to rely on: what
	 * it was in the middle of is known there alone.  Returns how many of @n
	 * were stored.  May be NULL, and may store none.
	 */
	size_t (*thread_regs)(void *ctx, pid_t tid, uint64_t *ret, size_t n);
	/* The same by name, to unwind from; false: there are none.  May be NULL. */
	bool (*dwarf_regs)(void *ctx, pid_t tid, struct space_regs *ret);
	/*
	 * A new read-only descriptor of the file at @path as the inferior sees it, to
	 * be closed by the caller; -1: none.  May be NULL.
	 */
	int (*open_path)(void *ctx, const char *path);
	/* The process number that the inferior has for itself; 0: not known.  May be NULL. */
	pid_t (*inner_pid)(void *ctx);
	/*
	 * The system call that a thread sleeps in, was stopped in, or is just about to
	 * make (again): one that it will be in once it goes on, and has not returned
	 * from.  One that is resumed with a time limit has the number of
	 * restart_syscall and the arguments that it was first made with.  False: the
	 * thread runs, or it is not known.  Where threads are not stopped the answer
	 * may be outdated when it comes.  May be NULL.
	 */
	bool (*thread_syscall)(void *ctx, pid_t tid, struct space_syscall *ret);
	/*
	 * Clears ret[i] for each page from @addr on that nothing was ever put into, of @n
	 * that begin as 1: huge areas are reserved, of which little is used.  NULL: not known.
	 */
	void (*present)(void *ctx, uint64_t addr, size_t n, uint8_t *ret);

	/*
	 * 0: the inferior stands still while this space is looked at.  Otherwise it runs,
	 * and this is how often to try to see a part of it unchanged.
	 */
	unsigned int tries;
	/*
	 * For an inferior that runs; may be NULL.  thread_rest() returns 0 if @tid is
	 * running just now or nobody can know, else a number for thread_rested(), which
	 * says whether @tid has executed nothing since.  To be called in pairs unless
	 * the first returns 0.
	 */
	uint64_t (*thread_rest)(void *ctx, pid_t tid);
	bool (*thread_rested)(void *ctx, pid_t tid, uint64_t since);
	void *ctx;
};

#endif
