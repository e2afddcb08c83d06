/* SPDX-License-Identifier: MIT */
/* A `struct space' over a process of which one thread is traced, for tests of unwinding. */
#ifndef TESTS_UNWIND_ONE_SPACE_H
#define TESTS_UNWIND_ONE_SPACE_H

#include <sys/ptrace.h>
#include <sys/user.h>

#include "stub/base/space.h"

#define ONE_BREAKS 4u /* addresses that the processor stops at */
#define ONE_CODE   16u
#define ONE_STACK  256u
#define ONE_FRAME  32u

struct one_space {
	pid_t pid;
	int pagemap;
	struct mem mem;
	struct maps maps;
	struct space space;
	/* Where the thread is, as of one_stop(). */
	struct user_regs_struct regs;
	uint8_t code[ONE_CODE];	  /* from rip on */
	uint8_t stack[ONE_STACK]; /* from rsp on */
	uint8_t frame[ONE_FRAME]; /* from rbp on */
	bool near;		  /* the three could be read */
	bool has_code;
	uint64_t broken[ONE_BREAKS];
};

/* Seizes the thread @pid and stops it; says on stderr why it cannot and returns false. */
bool one_space_open(struct one_space *p, pid_t pid);
void one_space_close(struct one_space *p);
/* It has run: its memory and mappings are to be read again. */
bool one_space_moved(struct one_space *p);

/* By @how (PTRACE_SINGLESTEP, PTRACE_CONT), with a signal or 0; *signo: what it got meanwhile. */
bool one_resume(struct one_space *p, enum __ptrace_request how, int *signo);
/* Where it is now; all that is next to it is read at once. */
bool one_stop(struct one_space *p);
/* PTRACE_CONT ends before the instruction at @addr; 0: nowhere. */
bool one_break(struct one_space *p, unsigned int slot, uint64_t addr);

/* A word of the process. */
bool one_word(const struct one_space *p, uint64_t addr, uint64_t *ret);
bool one_read(const struct one_space *p, uint64_t addr, void *buf, size_t len);
/* By DWARF's number. */
uint64_t one_reg(const struct user_regs_struct *r, unsigned int reg);

#endif
