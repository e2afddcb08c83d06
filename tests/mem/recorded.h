/* SPDX-License-Identifier: MIT */
/*
 * Recorded memory: the bytes that a walk over a real process read, so that it
 * can be walked again with no interpreter at hand.
 *
 * A file is text:
 *	map START-END PERMS OFFSET MAJOR:MINOR INODE PATH	as in /proc/PID/maps
 *	thread TID TP						TP in hex
 *	regs TID VALUE...					by DWARF's numbers, in hex
 *	syscall TID NUMBER ARG1 .. ARG6				arguments in hex
 *	at ADDR							bytes follow, in hex,
 *	48656c6c6f						at most 64 a line,
 *	zero N							or N that are zero
 * Lines that start with # are comments.
 */
#ifndef TESTS_MEM_RECORDED_H
#define TESTS_MEM_RECORDED_H

#include "stub/base/space.h"

#define RECORDED_THREADS_MAX 256

struct recorded_range {
	uint64_t addr;
	size_t len, cap;
	uint8_t *data;
};

struct recorded {
	struct recorded_range *range; /* by address, not overlapping */
	size_t nranges;
	struct maps maps;
	struct space_thread threads[RECORDED_THREADS_MAX];
	struct space_regs regs[RECORDED_THREADS_MAX]; /* of the thread in the same place */
	struct recorded_call {
		pid_t tid;
		struct space_syscall call;
	} calls[RECORDED_THREADS_MAX];
	size_t ncalls;
	struct mem mem; /* without a page cache: what was read was not always whole pages */
	struct space space;
};

/* Reads the file at @path; says what is wrong on stderr and returns false. */
bool recorded_load(const char *path, struct recorded *ret);
void recorded_free(struct recorded *r);

/* Where the byte at @addr is kept, or NULL; at least @len bytes of it. */
uint8_t *recorded_at(const struct recorded *r, uint64_t addr, size_t len);

#endif
