/* SPDX-License-Identifier: MIT */
/*
 * Optimized code: which functions were inlined where, from its positions and its
 * deoptimization data (src/objects/deoptimization-data.h, src/codegen/source-position.h).
 */
#include <string.h>

#include "qxfer/v8/frames.h"
#include "qxfer/v8/translation.h"

#define TAG	      1
#define TABLE_MAX     (16u << 20)
#define ARRAY_DATA    16
#define CODE_MAX      (64u << 20)
#define DEOPT_ENTRY   3 /* items: a bytecode's offset, a translation's place, an offset in the code */
#define SLOTS_FROM    16 /* stack slots are counted downwards from here above fp */
#define SLOTS_MAX     (1 << 20)
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

/* ---- by the translation of a return address ---- */

/* The table lies behind the code: its number of bytes is not needed, it says how long it is. */
static int64_t deopt_number(const struct optimized *o)
{
	struct v8_reader *r = o->r;
	const struct v8_heap *h = &r->scripts.heap;
	uint64_t field = o->code - TAG + (uint64_t)h->layout->value[V8_CODE_SIZE];
	uint32_t size[2]; /* of the code, and of what is behind it */

	if (o->site->exact || mem_read_some(h->mem, field, size, sizeof(size)) != sizeof(size) ||
	    size[0] > CODE_MAX || size[1] > TABLE_MAX)
		return -1;
	buf_clear(&r->bytes);
	uint8_t *room = buf_room(&r->bytes, size[1] + 1ul);
	size_t got = room ? mem_read_some(h->mem, o->site->start + size[0], room, size[1]) : 0;
	size_t header = (size_t)h->layout->value[V8_SAFEPOINT_HEADER];
	struct safepoint_shape shape = { .count_at = header - 8, .header = header };
	/* Maglev's table has a word more, and each of its entries a byte. */
	if (o->kind == V8_MAGLEV) {
		shape.header += 4;
		shape.extra = 1;
	}
	return safepoint_find((struct v8_bytes){ room, got }, &shape, o->site->pc - o->site->start);
}

static size_t read_translation(const struct optimized *o,
			       struct v8_virtual_frame frames[TRANSLATION_FRAMES_MAX])
{
	struct v8_reader *r = o->r;
	const struct v8_heap *h = &r->scripts.heap;
	int64_t number = deopt_number(o);
	uint64_t bytes, index;

	if (number < 0 || number > UINT16_MAX * 16 || !deopt_item(o, V8_DEOPT_TRANSLATIONS, &bytes))
		return 0;
	uint32_t entry = (uint32_t)(h->layout->value[V8_DEOPT_ENTRIES] + number * DEOPT_ENTRY + 1);
	buf_clear(&r->bytes);
	if (!heap_element(h, o->deopt, entry, &index) || !heap_is_smi(index) ||
	    heap_smi(index) < 0 || !heap_bytes(h, bytes, TABLE_MAX, &r->bytes))
		return 0;
	struct v8_bytes table = { r->bytes.data, r->bytes.len };
	return translation_read(table, (size_t)heap_smi(index), h->layout->row, frames);
}

/* A function's bytecode, if it has not been thrown away; baseline code has taken its place. */
static bool bytecodes_of(const struct optimized *o, const struct v8_function *f, uint64_t *ret)
{
	const struct v8_heap *h = &o->r->scripts.heap;
	const int16_t *value = h->layout->value;

	if (!heap_field(h, f->shared, value[V8_SHARED_DATA], ret))
		return false;
	if (heap_is(h, ret, V8_T_CODE) && !heap_field(h, *ret, value[V8_CODE_DEOPT], ret))
		return false;
	return heap_is(h, ret, V8_T_BYTECODES);
}

/* The JSFunction of a virtual frame; 0: not known. */
static uint64_t closure_of(const struct optimized *o, const struct v8_virtual_frame *v)
{
	const struct v8_heap *h = &o->r->scripts.heap;
	uint64_t literals, object;

	if (v->function >= 0 && deopt_item(o, V8_DEOPT_LITERALS, &literals) &&
	    heap_element(h, literals, (uint32_t)v->function, &object))
		return object & ~(uint64_t)WEAK;
	if (v->stack_slot >= 0 && v->stack_slot < SLOTS_MAX &&
	    heap_read(h, o->site->fp + SLOTS_FROM - (uint64_t)(v->stack_slot + 1) * 8, &object))
		return object;
	return 0;
}

static void add_virtual(const struct optimized *o, const struct v8_virtual_frame *v, bool inlined)
{
	struct v8_reader *r = o->r;
	const struct v8_heap *h = &r->scripts.heap;
	struct v8_function *function = NULL;
	uint64_t literals, object, bytecodes, closure = closure_of(o, v);
	int64_t position = -1;

	if (deopt_item(o, V8_DEOPT_LITERALS, &literals) &&
	    heap_element(h, literals, v->shared, &object))
		function = as_function(o, object);
	struct v8_frame *f = v8_reader_add(r, o->site, v->builtin ? V8_BUILTIN : o->kind);
	if (!f)
		return;
	if (function && !v->builtin && bytecodes_of(o, function, &bytecodes)) {
		position = v8_bytecode_position(r, bytecodes, v->offset);
		f->offset = v->offset;
	}
	f->inlined = inlined;
	v8_fill_in(r, f, function, position);
	if (closure)
		v8_name_by_property(r, f, closure);
}

static bool read_by_translation(const struct optimized *o)
{
	struct v8_virtual_frame frames[TRANSLATION_FRAMES_MAX];
	size_t n = read_translation(o, frames);
	for (size_t i = n; i-- > 0;)
		add_virtual(o, &frames[i], i > 0);
	return n > 0;
}

void v8_read_optimized(struct v8_reader *r, const struct v8_site *site, uint64_t object,
		       enum v8_kind kind)
{
	const struct v8_heap *h = &r->scripts.heap;
	struct optimized o = { .r = r, .site = site, .code = object, .kind = kind };
	struct v8_function *function;
	int64_t at = -1;

	if (heap_field(h, object, h->layout->value[V8_CODE_DEOPT], &o.deopt)) {
		if (read_by_translation(&o))
			return;
		/* Maglev keeps positions of other places than calls. */
		if (kind == V8_TURBOFAN)
			at = code_position(&o);
	}
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
