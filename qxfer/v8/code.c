/* SPDX-License-Identifier: MIT */
/*
 * Optimized code: which functions were inlined where, from its positions and its
 * deoptimization data (src/objects/deoptimization-data.h, src/codegen/source-position.h).
 */
#include <string.h>

#include "qxfer/v8/frames.h"

#define TAG	      1
#define TABLE_MAX     (16u << 20)
#define ARRAY_DATA    16
#define INLINED_ENTRY 16 /* a position and a function's number, with padding */
#define WEAK	      2u
#define WRAPPED	      8 /* SharedFunctionInfoWrapper: the function */

struct optimized {
	struct v8_reader *r;
	const struct v8_site *site;
	uint64_t code, deopt;
	enum v8_kind kind;
};

static bool deopt_item(const struct optimized *o, enum v8_value index, uint64_t *ret)
{
	const struct v8_heap *h = &o->r->scripts.heap;
	return heap_element(h, o->deopt, (uint32_t)h->layout->value[index], ret);
}

static struct v8_function *as_function(const struct optimized *o, uint64_t object)
{
	const struct v8_heap *h = &o->r->scripts.heap;
	uint64_t inner;

	object &= ~(uint64_t)WEAK;
	if (heap_is(h, &object, V8_T_SHARED))
		return scripts_function(&o->r->scripts, object);
	/* From 12.9 on it is in a wrapper. */
	if (heap_field(h, object, WRAPPED, &inner) && heap_is(h, &inner, V8_T_SHARED))
		return scripts_function(&o->r->scripts, inner);
	return NULL;
}

/* The function that the code was compiled for. */
static struct v8_function *own_function(const struct optimized *o)
{
	uint64_t shared;
	return deopt_item(o, V8_DEOPT_SHARED, &shared) ? as_function(o, shared) : NULL;
}

/* The inlined function number @id, and the position that it was inlined at. */
static bool inlined_at(const struct optimized *o, int32_t id, int64_t *position,
		       struct v8_function **function)
{
	const struct v8_heap *h = &o->r->scripts.heap;
	uint64_t inlining, literals, shared;
	struct {
		int64_t position;
		int32_t function, padding;
	} entry;

	if (!deopt_item(o, V8_DEOPT_INLINING, &inlining) ||
	    !deopt_item(o, V8_DEOPT_LITERALS, &literals))
		return false;
	int32_t len = heap_length(h, inlining);
	if (id < 0 || len < INLINED_ENTRY || id > len / INLINED_ENTRY - 1)
		return false;
	uint64_t at = inlining - TAG + ARRAY_DATA + (uint64_t)id * INLINED_ENTRY;
	if (mem_read_some(h->mem, at, &entry, sizeof(entry)) != sizeof(entry))
		return false;
	*position = entry.position;
	*function = entry.function < 0 ? own_function(o)
		    : heap_element(h, literals, (uint32_t)entry.function, &shared)
			    ? as_function(o, shared)
			    : NULL;
	return *function != NULL;
}

/* The position of the instruction at the site; -1: the code has none for it. */
static int64_t code_position(const struct optimized *o)
{
	struct v8_reader *r = o->r;
	const struct v8_heap *h = &r->scripts.heap;
	int64_t position;
	uint64_t table;

	buf_clear(&r->bytes);
	if (!heap_field(h, o->code, h->layout->value[V8_CODE_POSITIONS], &table) ||
	    heap_type(h, &table) < 0 || !heap_bytes(h, table, TABLE_MAX, &r->bytes))
		return -1;
	struct v8_bytes bytes = { r->bytes.data, r->bytes.len };
	int64_t at = (int64_t)(o->site->pc - o->site->start) - !o->site->exact;
	return position_find(bytes, at, &position) ? position : -1;
}

static void add(const struct optimized *o, struct v8_function *function, int64_t position,
		bool inlined)
{
	struct v8_frame *f = v8_reader_add(o->r, o->site, o->kind);
	if (!f)
		return;
	f->inlined = inlined;
	v8_fill_in(o->r, f, function, position);
}

void v8_read_optimized(struct v8_reader *r, const struct v8_site *site, uint64_t object,
		       enum v8_kind kind)
{
	const struct v8_heap *h = &r->scripts.heap;
	struct optimized o = { .r = r, .site = site, .code = object, .kind = kind };
	struct v8_function *function;
	int64_t at = -1;

	if (heap_field(h, object, h->layout->value[V8_CODE_DEOPT], &o.deopt))
		at = code_position(&o);
	for (unsigned int i = 0; at >= 0 && position_inlining(at) >= 0; i++) {
		int64_t caller;
		if (i == V8_INLINED_MAX ||
		    !inlined_at(&o, position_inlining(at), &caller, &function))
			break;
		add(&o, function, at, true);
		at = caller;
	}
	add(&o, own_function(&o), at, false);
}
