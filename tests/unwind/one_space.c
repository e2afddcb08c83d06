/* SPDX-License-Identifier: MIT */
#include "tests/unwind/one_space.h"

#include <fcntl.h>
#include <signal.h>
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

bool one_regs(const struct one_space *p, struct user_regs_struct *ret)
{
	return ptrace(PTRACE_GETREGS, p->pid, NULL, ret) == 0;
}

uint64_t one_reg(const struct user_regs_struct *r, unsigned int reg)
{
	const uint64_t by_number[] = { r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi,
				       r->rbp, r->rsp, r->r8,  r->r9,  r->r10, r->r11,
				       r->r12, r->r13, r->r14, r->r15, r->rip };
	return reg < sizeof(by_number) / sizeof(by_number[0]) ? by_number[reg] : 0;
}
