/* SPDX-License-Identifier: MIT */
#include "qxfer/python/gc.h"

#include <inttypes.h>

#include "stub/base/image.h"

#define GENERATIONS 3u
#define HEAD_MAX    32u
/* The collector keeps marks in the low bits of a link. */
#define LINK_BITS   3ull

struct gc_walk {
	struct task_reader *r;
	struct err *(*visit)(struct task_reader *r, uint64_t object, uint64_t type, void *arg);
	void *arg;
	size_t n; /* objects seen, of all lists */
};

/* struct gc_generation: a PyGC_Head and two ints; to 3.7 a head is aligned for long double. */
static uint64_t generation_size(uint32_t head_size)
{
	return head_size == HEAD_MAX ? head_size + 16 : head_size + 8;
}

static struct err *walk_list(struct gc_walk *g, uint64_t head)
{
	struct mem *m = g->r->w->mem;
	const uint32_t size = g->r->lay.gc.head_size;
	struct py_brent brent = { 0 };
	uint64_t back, node, word[(HEAD_MAX + 16) / 8];
	struct err *err = mem_ptr(m, head, &node);
	if (!err && (node &= ~LINK_BITS))
		err = mem_ptr(m, node + 8, &back);
	if (err)
		return err;
	if (!node || (back & ~LINK_BITS) != head)
		return err_new(ERR_NOT_FOUND, "no list of objects at 0x%" PRIx64, head);
	for (size_t i = 0; node != head; i++) {
		if (node % 8 || g->n++ >= PY_GC_OBJECTS_MAX)
			return err_new(ERR_BAD_DATA, "more objects than %u", PY_GC_OBJECTS_MAX);
		if (py_brent_seen(&brent, node, i))
			return err_new(ERR_BAD_DATA, "the objects form a cycle");
		err = mem_read(m, node, word, size + 16);
		if (!err)
			err = g->visit(g->r, node + size, word[size / 8 + 1], g->arg);
		if (err)
			return err;
		node = word[0] & ~LINK_BITS;
	}
	return NULL;
}

/* 3.6 has them among its static data, and exports the address of the first. */
static uint64_t find_exported(struct task_reader *r)
{
	const struct maps *maps = r->w->space->maps;
	uint64_t first = 0;
	for (size_t i = 0; i < maps->n && !first; i++) {
		const struct map *m = &maps->map[i];
		_cleanup_image_ struct image img = { .fd = -1 };
		struct image_symbol symbol;
		if (m->offset || !m->inode || !(m->prot & MAP_R))
			continue;
		struct err *err = image_open(r->w->mem, m->start, &img);
		if (!err && image_find_dynamic(&img, "_PyGC_generation0", &symbol))
			err = mem_ptr(r->w->mem, symbol.addr, &first);
		err_drop(err);
	}
	return first;
}

/* The first of the generations, which lie behind each other, and the one put aside; or 0. */
static struct err *find_lists(struct task_reader *r, const struct py_interp *in, uint64_t *first,
			      uint64_t *permanent)
{
	const struct py_task_layout *lay = &r->lay;
	bool own = lay->gc.interp != PY_NONE;
	uint64_t base = own ? in->addr : r->t->snap->runtime;
	uint32_t at = own ? lay->gc.interp : lay->gc.runtime;
	*permanent = lay->gc.permanent == PY_NONE ? 0 : base + lay->gc.permanent;
	*first = 0;
	if (PY_MINOR(r->w->off->version_hex) <= 0x0306)
		*first = find_exported(r);
	else if (at != PY_NONE && lay->gc.generation0 == PY_NONE)
		*first = base + at;
	/* 3.13 built by gcc 14 has them four bytes before where alignment would put them. */
	else if (at != PY_NONE)
		return mem_ptr(r->w->mem, base + lay->gc.generation0, first);
	return NULL;
}

struct err *py_gc_visit(struct task_reader *r, const struct py_interp *in,
			struct err *(*visit)(struct task_reader *r, uint64_t object, uint64_t type,
					     void *arg),
			void *arg)
{
	struct gc_walk g = { .r = r, .visit = visit, .arg = arg };
	uint64_t first, permanent;
	struct err *err = find_lists(r, in, &first, &permanent);
	if (!err && (!first || r->lay.gc.head_size > HEAD_MAX || r->lay.gc.head_size % 8))
		err = err_new(ERR_NOT_FOUND, "it is not known where this build keeps its objects");
	for (uint64_t i = 0; !err && i < GENERATIONS; i++)
		err = walk_list(&g, first + i * generation_size(r->lay.gc.head_size));
	return err || !permanent ? err : walk_list(&g, permanent);
}
