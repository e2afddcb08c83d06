/* SPDX-License-Identifier: MIT */
/* A `struct space' over a process of which one thread is traced, for tests of unwinding. */
#ifndef TESTS_UNWIND_ONE_SPACE_H
#define TESTS_UNWIND_ONE_SPACE_H

#include <sys/user.h>

#include "stub/base/space.h"

struct one_space {
	pid_t pid;
	int pagemap;
	struct mem mem;
	struct maps maps;
	struct space space;
};

/* Seizes the thread @pid and stops it; says on stderr why it cannot and returns false. */
bool one_space_open(struct one_space *p, pid_t pid);
void one_space_close(struct one_space *p);
/* It has run: its memory and mappings are to be read again. */
bool one_space_moved(struct one_space *p);

/* Straight from the process. */
bool one_read(const struct one_space *p, uint64_t addr, void *buf, size_t len);
bool one_regs(const struct one_space *p, struct user_regs_struct *ret);
/* By DWARF's number. */
uint64_t one_reg(const struct user_regs_struct *r, unsigned int reg);

#endif
