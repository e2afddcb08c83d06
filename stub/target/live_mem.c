/* SPDX-License-Identifier: MIT */
/* Memory of a live process, without our traps in what is read. */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

#define BULK 0x4000u /* what process_vm_readv() is quicker for */

/* Within a page everything or nothing can be read, so a short count ends on a fault. */
static size_t raw_read(int fd, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;
	while (done < len && addr + done >= addr) {
		ssize_t n = pread(fd, (uint8_t *)buf + done, len - done, (off_t)(addr + done));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* /proc/PID/mem writes where the mapping forbids it: program text. */
static size_t raw_write(int fd, uint64_t addr, const void *buf, size_t len)
{
	size_t done = 0;
	while (done < len && addr + done >= addr) {
		ssize_t n =
			pwrite(fd, (const uint8_t *)buf + done, len - done, (off_t)(addr + done));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* Without the kernel's copy in between that /proc/PID/mem makes; it reads less than that. */
static size_t bulk_read(const struct live *l, uint64_t addr, void *buf, size_t len)
{
	struct iovec to = { buf, len }, from = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(proc_living(l), &to, 1, &from, 1, 0);
	return n > 0 ? (size_t)n : 0;
}

static size_t live_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct live *l = ctx;
	size_t n = len >= BULK && !l->reads_only ? bulk_read(l, addr, buf, len) : 0;
	if (n < len)
		n += raw_read(l->mem_fd, addr + n, (uint8_t *)buf + n, len - n);
	points_hide(&l->points, addr, buf, n);
	live_hide_displaced(l, addr, buf, n);
	const struct live *lender = live_lender(l);
	if (lender)
		points_hide(&lender->points, addr, buf, n);
	return n;
}

static size_t live_write(void *ctx, uint64_t addr, const void *buf, size_t len)
{
	struct live *l = ctx;
	live_lift_lender(l);
	if (!points_overlap(&l->points, addr, len))
		return raw_write(l->mem_fd, addr, buf, len);

	uint8_t *copy = malloc(len);
	if (!copy)
		return 0;
	memcpy(copy, buf, len);
	points_merge(&l->points, addr, copy, len);
	if (l->lifted)
		memcpy(copy, buf, len); /* own ones are in the interpreter's, which nobody writes */
	size_t n = raw_write(l->mem_fd, addr, copy, len);
	free(copy);
	return n;
}

const struct mem_ops live_mem_ops = { .read = live_read, .write = live_write };

static struct err *no_memory(uint64_t addr)
{
	struct err *err =
		err_new(ERR_FAULT, "cannot access memory at 0x%llx", (unsigned long long)addr);
	err->address = addr;
	return err;
}

/* A library that was unloaded and loaded again took the trap with it. */
static bool trap_is_there(struct live *l, int fd, const struct point *p)
{
	uint8_t now[POINT_INSN_MAX];
	return raw_read(fd, p->addr, now, l->points.len) == l->points.len &&
	       memcmp(now, p->trap, l->points.len) == 0;
}

/* Whether the traps of clients, or those of our own, are in memory now. */
static bool is_in(const struct live *l, const struct point *p)
{
	return p->own || !l->lifted;
}

/* Whose point it is that comes or goes. */
static void own_point(struct point *p, enum point_type type, bool there)
{
	if (type == POINT_TRACE)
		p->trace = there;
	else
		p->client = there;
}

static struct err *insert_software(struct live *l, enum point_type type, uint64_t addr)
{
	uint8_t saved[POINT_INSN_MAX];

	live_lift_lender(l);
	struct point *p = points_find(&l->points, addr);
	bool trace = p && p->trace;
	if (p) {
		own_point(p, type, true);
		if (l->lifted || p->own || trap_is_there(l, l->mem_fd, p))
			return NULL;
		points_drop(&l->points, addr);
	}
	if (raw_read(l->mem_fd, addr, saved, l->points.len) != l->points.len)
		return no_memory(addr);
	points_hide(&l->points, addr, saved, l->points.len);
	live_guard(l);
	struct err *err = points_add(&l->points, addr, saved, &p);
	if (!err) {
		p->trace = trace;
		own_point(p, type, true);
	}
	if (err || l->lifted)
		return err;
	if (raw_write(l->mem_fd, addr, l->points.insn, l->points.len) == l->points.len)
		return NULL;
	points_drop(&l->points, addr);
	return err_new(ERR_FAULT, "cannot insert a breakpoint at 0x%llx", (unsigned long long)addr);
}

/*
 * Puts back what the trap replaced, if it is still there: the program may have
 * written other code over it, or mapped another file.
 */
static void restore(struct live *l, int fd, const struct point *p)
{
	if (p->scratch || trap_is_there(l, fd, p))
		(void)raw_write(fd, p->addr, p->saved, l->points.len);
}

static struct err *remove_software(struct live *l, enum point_type type, uint64_t addr)
{
	uint8_t now;
	struct point *p = points_find(&l->points, addr);
	if (!p || !(type == POINT_TRACE ? p->trace : p->client))
		return NULL;
	own_point(p, type, false);
	if (p->own || p->trace || p->client)
		return NULL;
	if (!l->lifted)
		restore(l, l->mem_fd, p);
	points_drop(&l->points, addr);
	/* Its memory is gone, which the client warns of. */
	return raw_read(l->mem_fd, addr, &now, 1) == 1 ? NULL : no_memory(addr);
}

static bool dreg_type(enum point_type type, enum x86_dreg_type *ret)
{
	switch (type) {
	case POINT_HW:
		*ret = X86_DR_EXEC;
		return true;
	case POINT_WRITE:
		*ret = X86_DR_WRITE;
		return true;
	case POINT_ACCESS:
		*ret = X86_DR_ACCESS;
		return true;
	default: /* x86 cannot watch reads alone */
		return false;
	}
}

static struct err *live_insert(struct target *t, enum point_type type, uint64_t addr, uint32_t kind)
{
	struct live *l = to_live(t);
	enum x86_dreg_type dr;

	if (type == POINT_SW || type == POINT_TRACE)
		return insert_software(l, type, addr);
	if (!dreg_type(type, &dr))
		return err_new(ERR_UNSUPPORTED, "no such point on this processor");
	return x86_dregs_insert(&l->dregs, dr, addr, kind);
}

static struct err *live_remove(struct target *t, enum point_type type, uint64_t addr, uint32_t kind)
{
	struct live *l = to_live(t);
	enum x86_dreg_type dr;

	if (type == POINT_SW || type == POINT_TRACE)
		return remove_software(l, type, addr);
	if (!dreg_type(type, &dr))
		return err_new(ERR_UNSUPPORTED, "no such point on this processor");
	x86_dregs_remove(&l->dregs, dr, addr, kind);
	return NULL;
}

static void live_clear(struct target *t)
{
	struct live *l = to_live(t);

	if (!l->lifted)
		live_lift_points(l);
	for (size_t i = l->points.n; i-- > 0;) {
		struct point *p = &l->points.point[i];
		p->client = false;
		if (!p->own && !p->trace)
			points_drop(&l->points, p->addr);
	}
	if (!live_memory_shared(l))
		live_lower_points(l);
	l->dregs = (struct x86_dregs){ .generation = l->dregs.generation + 1 };
}

const struct target_point_ops live_point_ops = {
	.insert = live_insert,
	.remove = live_remove,
	.clear = live_clear,
};

void live_lift_point(struct live *l, uint64_t addr)
{
	const struct point *p = points_find(&l->points, addr);
	if (p && !l->lifted)
		restore(l, l->mem_fd, p);
}

/* Puts a trap where one was, over what is there now: the program may have changed it. */
static void put_trap(struct live *l, struct point *p)
{
	if (raw_read(l->mem_fd, p->addr, p->saved, l->points.len) == l->points.len)
		(void)raw_write(l->mem_fd, p->addr, p->trap, l->points.len);
}

void live_lower_point(struct live *l, uint64_t addr)
{
	struct point *p = points_find(&l->points, addr);
	if (p && !l->lifted)
		put_trap(l, p);
}

size_t live_read_code(struct live *l, uint64_t addr, void *buf, size_t len)
{
	return live_read(l, addr, buf, len);
}

void live_lift_points(struct live *l)
{
	for (size_t i = 0; !l->lifted && i < l->points.n; i++)
		if (!l->points.point[i].own)
			restore(l, l->mem_fd, &l->points.point[i]);
	l->lifted = true;
}

void live_remove_points(struct live *l)
{
	for (size_t i = 0; i < l->points.n; i++)
		if (is_in(l, &l->points.point[i]))
			restore(l, l->mem_fd, &l->points.point[i]);
	live_clean_displaced(l, l->mem_fd);
	points_clear(&l->points);
}

void live_lower_points(struct live *l)
{
	struct points *ps = &l->points;

	for (size_t i = 0; l->lifted && i < ps->n; i++)
		if (!ps->point[i].own)
			put_trap(l, &ps->point[i]);
	l->lifted = false;
}

static size_t child_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return raw_read(*(int *)ctx, addr, buf, len);
}

static size_t child_write(void *ctx, uint64_t addr, const void *buf, size_t len)
{
	return raw_write(*(int *)ctx, addr, buf, len);
}

static void clean_for_catcher(struct live *l, int fd)
{
	static const struct mem_ops ops = { .read = child_read, .write = child_write };
	struct mem m = { .ops = &ops, .ctx = &fd, .generation = 1, .addr_size = 8 };
	l->target.catcher.child(l->target.catcher.arg, &m);
}

void live_clean_child(struct live *l, pid_t child)
{
	char path[64];

	if (!l->points.n && !l->displaced)
		return;
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return; /* it is gone, its memory too */
	for (size_t i = 0; i < l->points.n; i++)
		restore(l, fd, &l->points.point[i]);
	live_clean_displaced(l, fd);
	if (l->target.catcher.child)
		clean_for_catcher(l, fd);
	close(fd);
}

bool live_memory_shared(struct live *l)
{
	for (size_t i = 0; i < l->nsharers;) {
		if (syscall(SYS_kcmp, l->sharer[i], proc_living(l), KCMP_VM, 0, 0) == 0)
			i++;
		else
			l->sharer[i] = l->sharer[--l->nsharers];
	}
	return l->nvforks || l->nsharers;
}
