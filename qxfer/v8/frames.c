/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/frames.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/v8.h"

/* A frame's slots from fp (src/execution/frame-constants.h), on x86-64 the same in all versions. */
#define SLOT_CONTEXT   (-8) /* or what kind of frame it is, doubled */
#define SLOT_FUNCTION  (-16)
#define SLOT_BYTECODES (-32)
#define SLOT_OFFSET    (-40)
#define EXIT_TARGET    24 /* of a builtin's exit frame: the function */

#define TABLE_MAX     (16u << 20) /* bytes of a table of positions */
#define BYTECODES_MAX (16u << 20)
#define TAG	      1

/* DWARF's numbers of the registers that a bytecode's handler has its place in. */
#define REG_OFFSET    9u  /* r9 */
#define REG_BYTECODES 12u /* r12 */
#define REG_TABLE     15u /* r15: the handlers' addresses, by bytecode */
#define REG_ARGUMENT  5u  /* rdi: the function, until its frame is built */

void v8_reader_deinit(struct v8_reader *r)
{
	scripts_deinit(&r->scripts);
	free(r->frame);
	buf_deinit(&r->bytes);
	buf_deinit(&r->code);
}

void v8_reader_reset(struct v8_reader *r)
{
	scripts_deinit(&r->scripts);
	r->n = 0;
	r->full = r->failed = false;
}

struct v8_frame *v8_reader_add(struct v8_reader *r, const struct v8_site *site, enum v8_kind kind)
{
	if (r->n >= r->limit) {
		r->full = true;
		return NULL;
	}
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct v8_frame *more = reallocarray(r->frame, cap, sizeof(*more));
		r->failed = r->failed || !more;
		if (!more)
			return NULL;
		r->frame = more;
		r->cap = cap;
	}
	struct v8_frame *f = &r->frame[r->n++];
	*f = (struct v8_frame){ .kind = kind,
				.name = "",
				.offset = -1,
				.fp = site->fp,
				.pc = site->pc,
				.native = site->native };
	return f;
}

void v8_fill_in(struct v8_reader *r, struct v8_frame *f, struct v8_function *function,
		int64_t position)
{
	if (!function) {
		f->corrupt = "what should be its function is none";
		return;
	}
	f->function = function->shared;
	f->name = function->name;
	f->corrupt = function->broken;
	if (!function->script)
		return;
	f->script = function->script->name;
	int32_t at = position >= 0 ? position_offset(position) : -1;
	struct v8_place place = scripts_place(&r->scripts, function->script, at);
	if (place.line <= 0) {
		f->approximate = true;
		place = scripts_place(&r->scripts, function->script,
				      scripts_start(&r->scripts, function));
	}
	f->line = place.line;
	f->column = place.column;
	if (f->line <= 0 && function->script->broken && !f->corrupt)
		f->corrupt = function->script->broken;
}

/* ---- functions ---- */

static bool slot(const struct v8_reader *r, uint64_t fp, int offset, uint64_t *ret)
{
	return heap_read(&r->scripts.heap, fp + (uint64_t)(int64_t)offset, ret);
}

/* The SharedFunctionInfo of a JSFunction; 0: it is none. */
static uint64_t shared_of(const struct v8_reader *r, uint64_t function)
{
	const struct v8_heap *h = &r->scripts.heap;
	uint64_t shared;
	if (!heap_is_function(h, &function) ||
	    !heap_field(h, function, h->layout->value[V8_FUNCTION_SHARED], &shared) ||
	    !heap_is(h, &shared, V8_T_SHARED))
		return 0;
	return shared;
}

static struct v8_function *function_at(struct v8_reader *r, uint64_t addr)
{
	uint64_t object;
	if (!heap_read(&r->scripts.heap, addr, &object))
		return NULL;
	uint64_t shared = shared_of(r, object);
	return shared ? scripts_function(&r->scripts, shared) : NULL;
}

void v8_name_by_property(struct v8_reader *r, struct v8_frame *f, uint64_t object)
{
	const char *name = scripts_own_name(&r->scripts, object);
	if (name && *name)
		f->name = name;
}

/* Frame @f is of the JSFunction at @addr. */
static void fill_in_from(struct v8_reader *r, struct v8_frame *f, uint64_t addr, int64_t position)
{
	uint64_t object;
	v8_fill_in(r, f, function_at(r, addr), position);
	if (heap_read(&r->scripts.heap, addr, &object))
		v8_name_by_property(r, f, object);
}

/* ---- bytecode ---- */

/* That of the interpreted or baseline frame at @fp. */
static bool frame_bytecodes(const struct v8_reader *r, uint64_t fp, uint64_t *ret)
{
	return slot(r, fp, SLOT_BYTECODES, ret) && heap_is(&r->scripts.heap, ret, V8_T_BYTECODES);
}

int64_t v8_bytecode_position(struct v8_reader *r, uint64_t bytecodes, int64_t offset)
{
	const struct v8_heap *h = &r->scripts.heap;
	uint64_t table;
	int64_t position;

	buf_clear(&r->bytes);
	if (!heap_field(h, bytecodes, h->layout->value[V8_BYTECODES_POSITIONS], &table) ||
	    heap_type(h, &table) < 0 || !heap_bytes(h, table, TABLE_MAX, &r->bytes))
		return -1;
	struct v8_bytes bytes = { r->bytes.data, r->bytes.len };
	return position_find(bytes, offset, &position) ? position : -1;
}

/* Whether the bytecode at @offset is what the handler at @start is for. */
static bool is_handled(const struct v8_reader *r, const struct v8_site *site, uint64_t bytecodes,
		       int64_t offset)
{
	const struct v8_heap *h = &r->scripts.heap;
	const uint64_t *regs = site->handler->value;
	int32_t len = heap_length(h, bytecodes);
	uint64_t handler;
	uint8_t op;

	if (offset < 0 || offset >= len)
		return false;
	uint64_t at =
		bytecodes - TAG + (uint64_t)h->layout->value[V8_BYTECODES_DATA] + (uint64_t)offset;
	return mem_read_some(h->mem, at, &op, 1) == 1 &&
	       heap_read(h, regs[REG_TABLE] + op * (uint64_t)8, &handler) &&
	       handler == site->handler_start;
}

/*
 * In the frame's slot is the offset of the last bytecode that called something; a handler that was
 * interrupted has it in a register.
 */
static int64_t current_offset(const struct v8_reader *r, const struct v8_site *site,
			      uint64_t bytecodes, int64_t saved)
{
	int64_t data = r->scripts.heap.layout->value[V8_BYTECODES_DATA] - TAG;
	if (!site->handler || site->handler->value[REG_BYTECODES] != bytecodes)
		return saved;
	int64_t offset = (int64_t)site->handler->value[REG_OFFSET] - data;
	if (is_handled(r, site, bytecodes, offset))
		return offset;
	return saved;
}

static void read_interpreted(struct v8_reader *r, const struct v8_site *site, uint64_t bytecodes)
{
	struct v8_frame *f = v8_reader_add(r, site, V8_INTERPRETED);
	uint64_t word;

	if (!f)
		return;
	if (!slot(r, site->fp, SLOT_OFFSET, &word) || !heap_is_smi(word)) {
		fill_in_from(r, f, site->fp + (uint64_t)SLOT_FUNCTION, -1);
		if (!f->corrupt)
			f->corrupt = "the bytecode offset is no number";
		return;
	}
	int64_t data = r->scripts.heap.layout->value[V8_BYTECODES_DATA] - TAG;
	int64_t offset = current_offset(r, site, bytecodes, heap_smi(word) - data);
	f->offset = offset >= 0 && offset < heap_length(&r->scripts.heap, bytecodes)
			    ? (int32_t)offset
			    : -1;
	fill_in_from(r, f, site->fp + (uint64_t)SLOT_FUNCTION,
		     v8_bytecode_position(r, bytecodes, offset));
}

/* ---- builtins ---- */

static bool is_interpreter(const char *builtin)
{
	static const char *const names[] = {
		"InterpreterEntryTrampoline",
		"InterpreterEnterAtBytecode",
		"InterpreterEnterAtNextBytecode",
		"BaselineOrInterpreterEnterAtBytecode",
		"BaselineOrInterpreterEnterAtNextBytecode",
		"InterpreterEntryTrampolineForProfiling",
	};
	for (size_t i = 0; builtin && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], builtin) == 0)
			return true;
	return false;
}

static void add_builtin(struct v8_reader *r, const struct v8_site *site,
			struct v8_function *function)
{
	/* A function of the program has no frame in a builtin that it has not begun to run by. */
	struct v8_frame *f = function ? v8_reader_add(r, site, V8_BUILTIN) : NULL;
	if (!f)
		return;
	v8_fill_in(r, f, function, -1);
	f->builtin = site->builtin;
}

void v8_read_builtin(struct v8_reader *r, const struct v8_site *site)
{
	const int16_t *value = r->scripts.heap.layout->value;
	uint64_t context, bytecodes;

	if (!site->built || !slot(r, site->fp, SLOT_CONTEXT, &context))
		return;
	if (context == (uint64_t)value[V8_FRAME_BUILTIN_EXIT] << 1) {
		add_builtin(r, site, function_at(r, site->fp + EXIT_TARGET));
		return;
	}
	if (!heap_is_object(context))
		return; /* a stub's frame, or one that enters or leaves */
	if (is_interpreter(site->builtin)) {
		if (frame_bytecodes(r, site->fp, &bytecodes))
			read_interpreted(r, site, bytecodes);
		return;
	}
	struct v8_function *function = function_at(r, site->fp + (uint64_t)SLOT_FUNCTION);
	if (function && !function->script)
		add_builtin(r, site, function);
}

/* ---- compiled code ---- */

#define HEADER V8_CODE_HEADER

/* The Code object of the function that begins at @start; 0: it is none. */
static uint64_t code_object(const struct v8_reader *r, uint64_t start)
{
	uint8_t bytes[HEADER + 8];
	uint64_t object;

	if (mem_read_some(r->scripts.heap.mem, start - HEADER, bytes, sizeof(bytes)) !=
	    sizeof(bytes))
		return 0;
	return v8_code_at(r->space, bytes + HEADER, start, V8_CODE_MAX, &object) ? object : 0;
}

static enum v8_kind kind_of(const struct v8_reader *r, uint64_t object)
{
	const struct v8_heap *h = &r->scripts.heap;
	static const enum v8_kind kinds[] = { V8_INTERPRETED, V8_BASELINE, V8_MAGLEV, V8_TURBOFAN };
	uint32_t flags;
	if (mem_read_some(h->mem, object - TAG + (uint64_t)h->layout->value[V8_CODE_FLAGS], &flags,
			  sizeof(flags)) != sizeof(flags))
		return V8_KINDS;
	uint32_t first = (uint32_t)h->layout->value[V8_KIND_INTERPRETED], kind = flags & 15;
	return kind < first || kind - first >= 4 ? V8_KINDS : kinds[kind - first];
}

/* What bytecode baseline code is in; -1: not known, -2: before the first. */
static int64_t baseline_bytecode(struct v8_reader *r, const struct v8_site *site, uint64_t object,
				 uint64_t bytecodes)
{
	const struct v8_heap *h = &r->scripts.heap;
	const int16_t *value = h->layout->value;
	int32_t len = heap_length(h, bytecodes);
	uint64_t table;

	if (!r->sizes->n)
		r->find_sizes(r->arg);
	buf_clear(&r->bytes);
	buf_clear(&r->code);
	if (!r->sizes->n || len <= 0 || len > (int32_t)BYTECODES_MAX ||
	    !heap_field(h, object, value[V8_CODE_POSITIONS], &table) || heap_type(h, &table) < 0 ||
	    !heap_bytes(h, table, TABLE_MAX, &r->bytes))
		return -1;
	uint8_t *code = buf_room(&r->code, (size_t)len);
	uint64_t at = bytecodes - TAG + (uint64_t)value[V8_BYTECODES_DATA];
	if (!code || mem_read_some(h->mem, at, code, (size_t)len) != (size_t)len)
		return -1;
	struct v8_bytes positions = { r->bytes.data, r->bytes.len };
	struct v8_bytes bytes = { code, (size_t)len };
	/* Of the instruction that comes next the bytecode is that which it is in. */
	uint64_t pc = site->pc - site->start + site->exact;
	int32_t offset = baseline_offset(positions, bytes, r->sizes, pc);
	return offset >= 0 ? offset : -1 - (offset == -1);
}

static void read_baseline(struct v8_reader *r, const struct v8_site *site, uint64_t object)
{
	struct v8_frame *f = v8_reader_add(r, site, V8_BASELINE);
	uint64_t bytecodes;

	if (!f)
		return;
	int64_t position = -1;
	if (site->built && frame_bytecodes(r, site->fp, &bytecodes)) {
		int64_t offset = baseline_bytecode(r, site, object, bytecodes);
		f->offset = offset >= 0 ? (int32_t)offset : -1;
		if (offset >= 0)
			position = v8_bytecode_position(r, bytecodes, offset);
	}
	fill_in_from(r, f, site->fp + (uint64_t)SLOT_FUNCTION, position);
}

void v8_read_code(struct v8_reader *r, const struct v8_site *site)
{
	uint64_t object = code_object(r, site->start), bytecodes;
	enum v8_kind kind = object ? kind_of(r, object) : V8_KINDS;

	if (kind == V8_BASELINE)
		read_baseline(r, site, object);
	else if (kind == V8_INTERPRETED && site->built && frame_bytecodes(r, site->fp, &bytecodes))
		read_interpreted(r, site, bytecodes);
	else if (kind == V8_MAGLEV || kind == V8_TURBOFAN)
		v8_read_optimized(r, site, object, kind);
}
