/* SPDX-License-Identifier: MIT */
#include "qxfer/python/acting.h"

#include <stdlib.h>
#include <string.h>

#include "stub/base/image.h"

#define PIECES_MAX     32u
#define PIECE_SIZE_MAX (64ull << 20)
#define IMAGE_SIZE_MAX (512ull << 20)

#define REFERENCES (1ull << 28) /* more than are ever dropped, less than an immortal object's */
#define SIGNAL_TOP 63u
#define SIGNAL_LOW 40u /* what a program takes for itself begins at SIGRTMIN, 34 */

/* A readable mapping of the interpreter's image that is not code. */
struct piece {
	uint64_t at;
	size_t len;
	bool writable;
	uint8_t *data;
};

struct pieces {
	struct piece piece[PIECES_MAX];
	size_t n;
};

static void pieces_deinit(struct pieces *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->piece[i].data);
}

static uint64_t word(const struct piece *p, size_t at)
{
	uint64_t v;
	memcpy(&v, p->data + at, sizeof(v));
	return v;
}

/* ---- the image ---- */

static const struct map *map_before(const struct maps *maps, const struct map *m)
{
	return m && m > maps->map ? m - 1 : NULL;
}

/* The first mapping of the file that has the runtime in it, or in the zeroes behind it. */
static const struct map *find_base(const struct space *space, uint64_t addr)
{
	const struct map *m = maps_find(space->maps, addr);

	while (m && !m->inode)
		m = map_before(space->maps, m);
	const struct map *base = m;
	for (; m; m = map_before(space->maps, m))
		if (m->inode == base->inode && m->dev == base->dev && !m->offset)
			return m;
	return NULL;
}

static struct err *read_piece(const struct space *space, const struct map *m, uint64_t lo,
			      uint64_t hi, struct pieces *ret)
{
	uint64_t start = m->start > lo ? m->start : lo, end = m->end < hi ? m->end : hi;

	if (start >= end || !(m->prot & MAP_R) || (m->prot & MAP_X) || ret->n == PIECES_MAX)
		return NULL;
	size_t len = end - start < PIECE_SIZE_MAX ? end - start : PIECE_SIZE_MAX;
	struct piece *p = &ret->piece[ret->n];
	*p = (struct piece){ .at = start, .writable = m->prot & MAP_W, .data = malloc(len) };
	if (!p->data)
		return &err_nomem;
	ret->n++;
	p->len = mem_read_some(space->mem, start, p->data, len) & ~(size_t)7;
	return NULL;
}

static struct err *read_pieces(const struct space *space, const struct image *img,
			       struct pieces *ret)
{
	uint64_t hi = img->hi - img->lo > IMAGE_SIZE_MAX ? img->lo + IMAGE_SIZE_MAX : img->hi;
	struct err *err = NULL;

	for (size_t i = 0; !err && i < space->maps->n; i++)
		err = read_piece(space, &space->maps->map[i], img->lo, hi, ret);
	return err;
}

/* Whether the string at @addr begins with @text; its NUL counts if that is in @len. */
static bool text_at(const struct pieces *all, uint64_t addr, const char *text, size_t len)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct piece *p = &all->piece[i];
		if (addr >= p->at && addr - p->at < p->len && len <= p->len - (addr - p->at))
			return memcmp(p->data + (addr - p->at), text, len) == 0;
	}
	return false;
}

/* ---- what has no symbol ---- */

/* A type whose type is `type' and whose name is that: ob_type, ob_size, tp_name. */
static uint64_t find_type(const struct pieces *all, uint64_t type_type, uint32_t type_at,
			  const char *name)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct piece *p = &all->piece[i];
		for (size_t at = type_at; at + 24 <= p->len; at += 8)
			if (word(p, at) == type_type &&
			    text_at(all, word(p, at + 16), name, strlen(name) + 1))
				return p->at + at - type_at;
	}
	return 0;
}

struct slot {
	uint64_t offset, wrap;
};

/* Of two slots with that name the one of mappings lies first in a type (PyHeapTypeObject). */
static void try_slotdef(const struct pieces *all, const struct piece *p, size_t at,
			struct slot *best)
{
	static const char doc[] = "__setitem__(";
	uint64_t offset = word(p, at + 8) & UINT32_MAX;

	if (!offset || offset >= 4096 || offset >= best->offset ||
	    !text_at(all, word(p, at + 32), doc, sizeof(doc) - 1))
		return;
	*best = (struct slot){ offset, word(p, at + 24) };
}

/* struct wrapperbase: name, offset, function, wrapper, doc (Include/descrobject.h). */
static uint64_t find_wrap(const struct pieces *all)
{
	static const char name[] = "__setitem__";
	struct slot best = { UINT64_MAX, 0 };

	for (size_t i = 0; i < all->n; i++) {
		const struct piece *p = &all->piece[i];
		for (size_t at = 0; at + 40 <= p->len; at += 8)
			if ((word(p, at + 8) & UINT32_MAX) - 1 < 4095 &&
			    text_at(all, word(p, at), name, sizeof(name)))
				try_slotdef(all, p, at, &best);
	}
	return best.wrap;
}

#define HANDLERS_BYTES (PY_SIGNALS * PY_HANDLER_SIZE)

static bool is_handler(const struct piece *p, size_t at)
{
	uint64_t func = word(p, at + PY_HANDLER_FUNC);
	return (word(p, at) & UINT32_MAX) <= 1 && func >= 4096 && !(func & 7);
}

/* Most signals have no handler, and say so by one object; number 0 is no signal. */
static bool is_table(const struct piece *p, size_t at, uint64_t *common)
{
	size_t same = 0;

	if (word(p, at) || word(p, at + PY_HANDLER_FUNC))
		return false;
	*common = word(p, at + SIGNAL_LOW * PY_HANDLER_SIZE + PY_HANDLER_FUNC);
	for (size_t i = 1; i < PY_SIGNALS; i++) {
		size_t entry = at + i * PY_HANDLER_SIZE;
		if (!is_handler(p, entry))
			return false;
		same += word(p, entry + PY_HANDLER_FUNC) == *common;
	}
	return same >= 45;
}

static uint64_t find_handlers(const struct pieces *all, uint64_t *common)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct piece *p = &all->piece[i];
		if (!p->writable)
			continue;
		for (size_t at = 0; at + HANDLERS_BYTES <= p->len; at += 8)
			if (is_table(p, at, common))
				return p->at + at;
	}
	return 0;
}

/* ---- what has one ---- */

static bool find_symbol(struct image *img, const char *name, uint64_t *ret)
{
	struct image_symbol s;

	*ret = 0;
	if (!image_find_dynamic(img, name, &s) && !image_find_static(img, name, &s))
		return false;
	*ret = s.addr;
	return true;
}

static struct err *find_symbols(struct image *img, struct py_acting *ret, uint64_t *type_type)
{
	const struct {
		const char *name;
		uint64_t *at;
	} wanted[] = { { "PyType_Type", type_type },
		       { "PyDict_Type", &ret->dict },
		       { "PyWrapperDescr_Type", &ret->wrapper_type },
		       { "PyRun_SimpleString", &ret->run_string } };

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!find_symbol(img, wanted[i].name, wanted[i].at))
			return err_new(ERR_NOT_FOUND, "this Python has no symbol %s",
				       wanted[i].name);
	ret->interrupts_any = find_symbol(img, "PyErr_SetInterruptEx", &ret->interrupt);
	if (!ret->interrupts_any && !find_symbol(img, "PyErr_SetInterrupt", &ret->interrupt))
		return err_new(ERR_NOT_FOUND, "this Python has no symbol PyErr_SetInterrupt");
	(void)find_symbol(img, "PyGILState_Ensure", &ret->ensure);
	(void)find_symbol(img, "PyGILState_Release", &ret->release);
	(void)find_symbol(img, "_PyMethodWrapper_Type", &ret->method_wrapper);
	return NULL;
}

static struct err *find_rest(const struct pieces *all, uint64_t type_type, struct py_acting *ret)
{
	if (!ret->method_wrapper)
		ret->method_wrapper = find_type(all, type_type, ret->type_at, "method-wrapper");
	ret->wrap = find_wrap(all);
	if (!ret->method_wrapper || !ret->wrap)
		return err_new(ERR_NOT_FOUND, "this Python's %s is not found",
			       ret->wrap ? "type method-wrapper" : "wrapper of __setitem__");
	ret->handlers = find_handlers(all, &ret->no_handler);
	if (!ret->handlers)
		return err_new(ERR_BAD_DATA, "this Python has not set signals up");
	return NULL;
}

static struct err *open_image(const struct space *space, uint64_t addr, struct image *ret)
{
	const struct map *base = find_base(space, addr);

	*ret = (struct image){ .fd = -1 };
	if (!base)
		return err_new(ERR_NOT_FOUND, "no file is mapped where Python is");
	struct err *err = image_open(space->mem, base->start, ret);
	if (err)
		return err;
	int fd = space->open_map ? space->open_map(space->ctx, base) : -1;
	if (fd >= 0)
		err_drop(image_add_file(ret, fd)); /* then there are only dynamic symbols */
	return NULL;
}

struct err *py_acting_find(const struct space *space, const struct py_runtime *rt,
			   struct py_acting *ret)
{
	struct pieces all = { .n = 0 };
	struct image img;
	uint64_t type_type;

	*ret = (struct py_acting){ 0 };
	ret->type_at = rt->off.object.type;
	ret->free_threaded = rt->off.build & PY_BUILD_FREE_THREADED;
	ret->refcnt_at = ret->free_threaded ? 12 : 0; /* ob_ref_local */
	struct err *err = open_image(space, rt->addr, &img);
	if (!err)
		err = find_symbols(&img, ret, &type_type);
	if (!err)
		err = read_pieces(space, &img, &all);
	if (!err)
		err = find_rest(&all, type_type, ret);
	pieces_deinit(&all);
	image_deinit(&img);
	return err;
}

/* ---- the forged handler ---- */

static void put(uint8_t *bytes, uint32_t at, const uint64_t *words, size_t n)
{
	memcpy(bytes + at, words, n * sizeof(*words));
}

/*
 * What an object begins with: ob_refcnt, ob_type.  Free-threaded: ob_tid; flags, mutex, bits and
 * ob_ref_local, which says that it is immortal; ob_ref_shared; ob_type.
 */
static uint32_t put_head(const struct py_acting *a, uint8_t *bytes, uint32_t at, uint64_t type)
{
	const uint64_t head[] = { REFERENCES, type };
	const uint64_t free_head[] = { 0, (uint64_t)UINT32_MAX << 32, 0, type };

	put(bytes, at, a->free_threaded ? free_head : head, a->free_threaded ? 4 : 2);
	return at + (uint32_t)(a->free_threaded ? sizeof(free_head) : sizeof(head));
}

/* Before each object there is room for what the garbage collector keeps there: zeroes. */
uint64_t py_acting_forge(const struct py_acting *a, uint64_t at, uint64_t text,
			 uint8_t ret[PY_FORGED_SIZE])
{
	enum { OBJECT = 0x20, DESCR = 0x60, BASE = 0xb0, NAME = 0xf0 };
	/* descr, self */
	const uint64_t object[] = { at + DESCR, text };
	/* d_type, d_name, d_qualname, d_base, d_wrapped */
	const uint64_t descr[] = { a->dict, 0, 0, at + BASE, a->run_string };
	/* name, offset, function, wrapper, doc, flags, name_strobj */
	const uint64_t base[] = { at + NAME, 0, 0, a->wrap, at + NAME, 0, 0 };

	memset(ret, 0, PY_FORGED_SIZE);
	put(ret, put_head(a, ret, OBJECT, a->method_wrapper), object, 2);
	put(ret, put_head(a, ret, DESCR, a->wrapper_type), descr, 5);
	put(ret, BASE, base, sizeof(base) / sizeof(base[0]));
	memcpy(ret + NAME, "archerfish", sizeof("archerfish"));
	return at + OBJECT;
}

int py_acting_free_signal(const struct space *space, const struct py_acting *a)
{
	for (unsigned int n = SIGNAL_TOP; n >= SIGNAL_LOW; n--) {
		uint64_t entry[2];
		struct err *err = mem_read(space->mem, a->handlers + n * PY_HANDLER_SIZE, entry,
					   sizeof(entry));
		bool is_free = !err && !(entry[0] & UINT32_MAX) && entry[1] == a->no_handler;
		err_drop(err);
		if (is_free)
			return (int)n;
	}
	return 0;
}
