/* SPDX-License-Identifier: MIT */
/*
 * 32-bit processes.  The kernel shows a 64-bit tracer their threads as it shows 64-bit ones,
 * whatever code they are in just then; here that becomes what a 32-bit tracer would see.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

/* Linux's user_regs_struct of 32 bits, in words, by the one of 64. */
#define WORD(name) offsetof(struct user_regs_struct, name)
static const uint16_t words[] = {
	WORD(rbx), WORD(rcx), WORD(rdx),    WORD(rsi), WORD(rdi), WORD(rbp),
	WORD(rax), WORD(ds),  WORD(es),	    WORD(fs),  WORD(gs),  WORD(orig_rax),
	WORD(rip), WORD(cs),  WORD(eflags), WORD(rsp), WORD(ss),
};
#define WORDS (sizeof(words) / sizeof(words[0]))

size_t live_put_gprs(const struct live *l, const struct user_regs_struct *r, void *buf, size_t room)
{
	uint32_t narrow[WORDS];
	size_t size = live_is_32(l) ? sizeof(narrow) : sizeof(*r);

	for (size_t i = 0; i < WORDS; i++)
		memcpy(&narrow[i], (const uint8_t *)r + words[i], sizeof(narrow[i]));
	if (size > room)
		size = room;
	memcpy(buf, live_is_32(l) ? (const void *)narrow : (const void *)r, size);
	return size;
}

/*
 * The result of a system call is negative in 64 bits where the kernel looks whether the call
 * is to be made again; so are numbers of calls that are none.
 */
static bool is_signed(uint16_t at)
{
	return at == WORD(rax) || at == WORD(orig_rax);
}

struct err *live_write_gprs_32(pid_t tid, const void *buf, size_t size)
{
	struct user_regs_struct r;

	if (size != WORDS * 4)
		return err_new(ERR_PROTO, "the general registers have %zu bytes", WORDS * 4);
	if (ptrace(PTRACE_GETREGS, tid, NULL, &r) != 0)
		return err_os("reading the general registers of thread %d", tid);
	for (size_t i = 0; i < WORDS; i++) {
		int32_t narrow;
		memcpy(&narrow, (const uint8_t *)buf + 4 * i, sizeof(narrow));
		uint64_t wide = is_signed(words[i]) ? (uint64_t)(int64_t)narrow : (uint32_t)narrow;
		memcpy((uint8_t *)&r + words[i], &wide, sizeof(wide));
	}
	if (ptrace(PTRACE_SETREGS, tid, NULL, &r) != 0)
		return err_os("writing the general registers of thread %d", tid);
	return NULL;
}

/* The class and machine of the program's file; false: it cannot be read. */
static bool read_ident(const struct live *l, uint8_t *class, uint16_t *machine)
{
	char path[64];
	Elf32_Ehdr head; /* what is asked of it is in the same place in both classes */

	snprintf(path, sizeof(path), "/proc/%d/exe", proc_living(l));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = pread(fd, &head, sizeof(head), 0);
	close(fd);
	if (n != sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	*class = head.e_ident[EI_CLASS];
	*machine = head.e_machine;
	return true;
}

/* Of a program that cannot be read: what its thread is executing. */
static bool runs_32(pid_t tid)
{
	struct user_regs_struct r;
	return ptrace(PTRACE_GETREGS, tid, NULL, &r) == 0 && r.cs == LIVE_USER_CS32;
}

struct err *live_detect_arch(struct live *l, pid_t tid)
{
	uint8_t class = ELFCLASS64;
	uint16_t machine = EM_X86_64;
	struct arch *fresh = NULL;
	uint8_t *area;
	struct iovec iov = { NULL, REGSET_MAX };

	if (!read_ident(l, &class, &machine) && runs_32(tid))
		machine = EM_386;
	if (class == ELFCLASS32 && machine == EM_X86_64)
		return err_new(ERR_UNSUPPORTED,
			       "it is an x32 program (64-bit code with 32-bit addresses), which "
			       "archerfish does not debug");
	iov.iov_base = area = malloc(REGSET_MAX);
	if (!area)
		return &err_nomem;
	/* A processor without XSAVE has no such set; what is left is x87 and SSE. */
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &iov) != 0)
		iov.iov_len = 0;
	struct err *err = machine == EM_386
				  ? arch_i386_detect(&l->cpu, area, iov.iov_len, &fresh)
				  : arch_x86_64_detect(&l->cpu, area, iov.iov_len, &fresh);
	free(area);
	if (err)
		return err;
	arch_free(l->made_arch);
	l->made_arch = fresh;
	l->target.arch = fresh;
	l->target.mem.addr_size = fresh->addr_size;
	return NULL;
}
