/* SPDX-License-Identifier: MIT */
#include "stub/calls.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static void forget(struct saved_regs *s)
{
	free(s->values);
	*s = (struct saved_regs){ 0 };
}

static void forget_areas(struct calls *c)
{
	free(c->area);
	c->area = NULL;
	c->nareas = 0;
}

void calls_deinit(struct calls *c)
{
	for (size_t i = 0; i < CALLS_SAVED_MAX; i++)
		forget(&c->saved[i]);
	forget_areas(c);
}

/* A free one, or the one saved first. */
static struct saved_regs *find_room(struct calls *c)
{
	struct saved_regs *oldest = &c->saved[0];

	for (size_t i = 0; i < CALLS_SAVED_MAX; i++)
		if (c->saved[i].id < oldest->id)
			oldest = &c->saved[i];
	forget(oldest);
	return oldest;
}

struct err *calls_save(struct calls *c, struct target *t, pid_t tid, uint32_t *id_ret)
{
	_cleanup_buf_ struct buf values = { 0 };

	for (uint16_t i = 0; i < t->arch->nregs; i++) {
		uint8_t value[REG_MAX] = { 0 };
		struct err *err = target_reg_get(t, tid, i, value);
		if (err && !err_catch(&err, ERR_NOT_FOUND))
			return err;
		buf_put(&values, value, t->arch->regs[i].bits / 8u);
	}
	if (values.failed)
		return &err_nomem;
	struct saved_regs *s = find_room(c);
	*s = (struct saved_regs){
		.id = ++c->last_id, .tid = tid, .values = values.data, .len = values.len
	};
	values = (struct buf){ 0 };
	*id_ret = s->id;
	return NULL;
}

struct err *calls_restore(struct calls *c, struct target *t, pid_t tid, uint32_t id)
{
	for (size_t i = 0; i < CALLS_SAVED_MAX; i++) {
		struct saved_regs *s = &c->saved[i];
		if (!id || s->id != id || s->tid != tid)
			continue;
		struct err *err = target_regs_set(t, tid, s->values, s->len);
		if (!err)
			forget(s);
		return err;
	}
	return err_new(ERR_NOT_FOUND, "no registers of thread %d were saved as %u", tid, id);
}

static struct err *call(struct target *t, const struct space_syscall *what, uint64_t *ret)
{
	if (!t->call)
		return err_new(ERR_UNSUPPORTED, "the target makes no system calls");
	struct err *err = t->call->syscall(t, what, ret);
	if (!err && *ret > (uint64_t)-4096) {
		struct err *whole =
			err_new(ERR_STATE, "the process was refused it: %s", strerror((int)-*ret));
		whole->os_errno = (int)-*ret;
		return whole;
	}
	return err;
}

/* After an exec, or in another process, they are nobody's. */
static void check_epoch(struct calls *c, const struct target *t)
{
	if (c->epoch != t->epoch)
		forget_areas(c);
	c->epoch = t->epoch;
}

struct err *calls_map(struct calls *c, struct target *t, uint64_t len, unsigned int prot,
		      uint64_t *addr_ret)
{
	const struct space_syscall mmap_call = {
		.nr = SYS_mmap,
		.arg = { 0, len,
			 (prot & MAP_R ? PROT_READ : 0u) | (prot & MAP_W ? PROT_WRITE : 0u) |
				 (prot & MAP_X ? PROT_EXEC : 0u),
			 MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0 },
	};

	check_epoch(c, t);
	if (!len || len > CALLS_AREA_SIZE_MAX)
		return err_new(ERR_PROTO, "no memory of %#llx bytes", (unsigned long long)len);
	if (c->nareas == CALLS_AREAS_MAX)
		return err_new(ERR_STATE, "%u areas of memory are mapped already", CALLS_AREAS_MAX);
	struct call_area *area = reallocarray(c->area, c->nareas + 1, sizeof(*area));
	if (!area)
		return &err_nomem;
	c->area = area;
	struct err *err = call(t, &mmap_call, addr_ret);
	if (!err)
		c->area[c->nareas++] = (struct call_area){ *addr_ret, len };
	return err;
}

static struct err *unmap(struct target *t, const struct call_area *a)
{
	const struct space_syscall munmap_call = { .nr = SYS_munmap, .arg = { a->addr, a->len } };
	uint64_t result;

	return call(t, &munmap_call, &result);
}

struct err *calls_unmap(struct calls *c, struct target *t, uint64_t addr)
{
	check_epoch(c, t);
	for (size_t i = 0; i < c->nareas; i++) {
		if (c->area[i].addr != addr)
			continue;
		struct err *err = unmap(t, &c->area[i]);
		if (!err)
			c->area[i] = c->area[--c->nareas];
		return err;
	}
	return err_new(ERR_NOT_FOUND, "no memory was mapped at %#llx", (unsigned long long)addr);
}

void calls_undo(struct calls *c, struct target *t)
{
	check_epoch(c, t);
	for (size_t i = 0; i < c->nareas && t->pid > 0; i++) {
		struct err *err = unmap(t, &c->area[i]);
		err_drop(err); /* it is ending, or holds on to it for itself now */
	}
	calls_deinit(c);
}
