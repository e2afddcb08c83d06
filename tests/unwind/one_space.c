/* SPDX-License-Identifier: MIT */
#include "tests/unwind/one_space.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub/base/buf.h"

static size_t read_process(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct one_space *p = ctx;
	struct iovec here = { buf, len }, there = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(p->pid, &here, 1, &there, 1, 0);
	return n > 0 ? (size_t)n : 0;
}

static const struct mem_ops ops = { .read = read_process };

static void present(void *ctx, uint64_t addr, size_t n, uint8_t *ret)
{
	struct one_space *p = ctx;
	uint64_t entry[512];
	for (size_t at = 0; at < n;) {
		size_t want = n - at < 512 ? n - at : 512;
		ssize_t got =
			pread(p->pagemap, entry, want * 8, (off_t)((addr / MEM_PAGE + at) * 8));
		if (got < 8)
			return;
		for (size_t i = 0; i < (size_t)got / 8; i++)
			ret[at + i] = entry[i] >> 62 != 0;
		at += (size_t)got / 8;
	}
}

bool one_space_moved(struct one_space *p)
{
	char path[64];
	uint8_t bytes[4096];
	_cleanup_buf_ struct buf text = { 0 };
	size_t n;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)p->pid);
	FILE *f = fopen(path, "r");
	while (f && (n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		buf_put(&text, bytes, n);
	if (f)
		fclose(f);
	struct err *err = maps_parse((const char *)text.data, text.len, &p->maps);
	mem_invalidate(&p->mem);
	if (!err)
		return true;
	fprintf(stderr, "%s\n", err->msg);
	err_drop(err);
	return false;
}

bool one_space_open(struct one_space *p, pid_t pid)
{
	char path[64];
	int status;
	*p = (struct one_space){ .pid = pid };
	struct err *err = mem_init(&p->mem, &ops, p, 8);
	if (err)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	p->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (p->pagemap < 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) || waitpid(pid, &status, __WALL) != pid) {
		perror("seize");
		return false;
	}
	p->space = (struct space){
		.mem = &p->mem, .maps = &p->maps, .epoch = 1, .present = present, .ctx = p
	};
	return one_space_moved(p);
}

void one_space_close(struct one_space *p)
{
	for (unsigned int i = 0; i < ONE_BREAKS; i++)
		(void)one_break(p, i, 0);
	ptrace(PTRACE_DETACH, p->pid, NULL, NULL);
	close(p->pagemap);
	maps_deinit(&p->maps);
	mem_deinit(&p->mem);
}

bool one_read(const struct one_space *p, uint64_t addr, void *buf, size_t len)
{
	struct iovec here = { buf, len }, there = { (void *)(uintptr_t)addr, len };
	return process_vm_readv(p->pid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

/* What is next to where it is, in one call; part by part where some of it is not there. */
static void read_near(struct one_space *p)
{
	const struct user_regs_struct *r = &p->regs;
	struct iovec here[] = { { p->stack, ONE_STACK },
				{ p->code, ONE_CODE },
				{ p->frame, ONE_FRAME } };
	struct iovec there[] = { { (void *)(uintptr_t)r->rsp, ONE_STACK },
				 { (void *)(uintptr_t)r->rip, ONE_CODE },
				 { (void *)(uintptr_t)r->rbp, ONE_FRAME } };
	ssize_t n = process_vm_readv(p->pid, here, 3, there, 3, 0);
	p->near = n == ONE_STACK + ONE_CODE + ONE_FRAME;
	p->has_code = n >= ONE_STACK + (ssize_t)ONE_CODE || one_read(p, r->rip, p->code, ONE_CODE);
}

bool one_stop(struct one_space *p)
{
	if (ptrace(PTRACE_GETREGS, p->pid, NULL, &p->regs))
		return false;
	read_near(p);
	return true;
}

bool one_resume(struct one_space *p, enum __ptrace_request how, int *signo)
{
	int status;
	if (ptrace(how, p->pid, NULL, (void *)(uintptr_t)*signo) ||
	    waitpid(p->pid, &status, __WALL) != p->pid || !WIFSTOPPED(status))
		return false;
	*signo = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	return one_stop(p);
}

static bool poke_debug(const struct one_space *p, unsigned int reg, uint64_t value)
{
	size_t at = offsetof(struct user, u_debugreg) + reg * sizeof(uint64_t);
	return ptrace(PTRACE_POKEUSER, p->pid, at, value) == 0;
}

bool one_break(struct one_space *p, unsigned int slot, uint64_t addr)
{
	uint64_t control = 0;
	if (p->broken[slot] == addr)
		return true;
	p->broken[slot] = addr;
	for (unsigned int i = 0; i < ONE_BREAKS; i++)
		control |= p->broken[i] && i != slot ? 1ull << (2 * i) : 0;
	/* A register in use cannot be changed. */
	bool ok = poke_debug(p, 7, control) && poke_debug(p, slot, addr);
	return ok && poke_debug(p, 7, control | (addr ? 1ull << (2 * slot) : 0));
}

static bool take_word(const uint8_t *bytes, size_t len, uint64_t from, uint64_t addr, uint64_t *ret)
{
	if (addr < from || addr - from > len - sizeof(*ret))
		return false;
	memcpy(ret, bytes + (addr - from), sizeof(*ret));
	return true;
}

bool one_word(const struct one_space *p, uint64_t addr, uint64_t *ret)
{
	return (p->near && (take_word(p->stack, ONE_STACK, p->regs.rsp, addr, ret) ||
			    take_word(p->frame, ONE_FRAME, p->regs.rbp, addr, ret))) ||
	       one_read(p, addr, ret, sizeof(*ret));
}

uint64_t one_reg(const struct user_regs_struct *r, unsigned int reg)
{
	const uint64_t by_number[] = { r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi,
				       r->rbp, r->rsp, r->r8,  r->r9,  r->r10, r->r11,
				       r->r12, r->r13, r->r14, r->r15, r->rip };
	return reg < sizeof(by_number) / sizeof(by_number[0]) ? by_number[reg] : 0;
}
