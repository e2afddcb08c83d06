/* SPDX-License-Identifier: MIT */
/*
 * The with statements that a frame is inside of.
 *
 * A with statement keeps the manager's __exit__ on the frame's value stack.  Slots
 * above the live part of the stack keep what was there before, and a running frame
 * does not say how much is live; but what an exception handler needs is: from 3.11
 * on the exception table has for each instruction its handler and the depth of the
 * stack that the handler wants, and that handler itself another one.  The handler
 * of a with statement wants the __exit__ on top, so one that is not in the chain
 * of handlers is of no with statement that is being executed, or of one being
 * entered or left.  To 3.10 the frame's block stack says the same.
 *
 * InternalDocs/exception_handling.md (3.11: Objects/exception_handling_notes.txt);
 * Python/compile.c, compiler_with() (3.14: codegen.c); Python/ceval.c, SETUP_WITH.
 */
#include "qxfer/python/locks_priv.h"

#include <string.h>

#include "qxfer/python/stack.h"

#define TABLE_MAX     65536u
#define CODE_MAX      (1u << 20)
#define HANDLERS_MAX  64u
#define NAMES_MAX     1000u
/* To 3.10, Include/opcode.h and frameobject.h */
#define SETUP_FINALLY 122u
#define SETUP_WITH    143u
#define EXTENDED_ARG  144u
#define BLOCKS_MAX    20u

struct handler {
	uint32_t depth;	 /* of the value stack that it wants */
	uint32_t target; /* bytes into the code */
};

static bool word(struct py_locker *l, uint64_t addr, uint32_t offset, uint64_t *ret)
{
	struct err *err = val_word(&l->v, addr, offset, ret);
	err_drop(err);
	return !err;
}

static bool number(struct py_locker *l, uint64_t addr, uint32_t offset, int32_t *ret)
{
	struct err *err = offset == PY_NONE ? err_new(ERR_BAD_DATA, "no such field")
					    : val_read(&l->v, addr + offset, ret, sizeof(*ret));
	err_drop(err);
	return !err;
}

static bool has_blocks(const struct py_locker *l)
{
	return l->lay->frame.stack != PY_NONE;
}

static bool find_stack(struct py_locker *l, const struct py_frame *f, uint64_t *ret, uint32_t *n)
{
	return py_stack_find(&l->v, l->lay, f, ret, n);
}

/* ---- from 3.11 on: the exception table ---- */

/* Reads the bytes object in a field of a code object; false if there is none, or it is empty. */
static bool load_bytes(struct py_locker *l, uint64_t code, uint32_t offset, size_t max)
{
	uint64_t bytes, len;
	if (l->table_of == code)
		return l->table.len != 0;
	l->table_of = code;
	buf_clear(&l->table);
	if (!word(l, code, offset, &bytes) || !word(l, bytes, l->w.off->bytes.size, &len) || !len ||
	    len > max)
		return false;
	uint8_t *p = buf_room(&l->table, len);
	struct err *err = p ? val_read(&l->v, bytes + l->w.off->bytes.data, p, len) : &err_nomem;
	if (!err)
		l->table.len += len;
	err_drop(err);
	return !err;
}

/* Looking through a table is work too, which a hostile one must not make endless. */
static void charge(struct py_locker *l, size_t bytes)
{
	uint32_t cost = (uint32_t)(bytes / 256);
	l->v.reads = l->v.reads > cost ? l->v.reads - cost : 0;
}

struct cursor {
	const uint8_t *p, *end;
};

/* Six bits a byte, the most significant first; bit 6: there is more, bit 7: an entry begins. */
static uint32_t varint(struct cursor *c)
{
	uint32_t v = 0;
	while (c->p < c->end) {
		uint8_t byte = *c->p++;
		v = v << 6 | (byte & 63u);
		if (!(byte & 64u))
			break;
	}
	return v;
}

/* The handler of the instruction @at bytes into the code. */
static bool find_handler(struct py_locker *l, uint32_t at, struct handler *ret)
{
	struct cursor c = { l->table.data, l->table.data + l->table.len };
	charge(l, l->table.len);
	while (c.p < c.end) {
		uint32_t start = varint(&c), size = varint(&c), target = varint(&c);
		uint32_t depth = varint(&c) >> 1; /* the lowest bit: lasti is pushed too */
		if (at / 2 >= start && at / 2 - start < size) {
			*ret = (struct handler){ depth, target * 2 };
			return true;
		}
	}
	return false;
}

/*
 * That of @f's instruction, of that one's first instruction, and so on.  A handler's
 * own handler, which only cleans up after it, wants more than the handler itself and
 * is left out: what it wants is not there yet.
 */
static size_t read_chain(struct py_locker *l, const struct py_frame *f, struct handler *ret)
{
	struct handler h;
	size_t n = 0;
	uint32_t at = (uint32_t)f->lasti;
	if (f->lasti < 0 || !load_bytes(l, f->code_addr, l->lay->code.exceptions, TABLE_MAX))
		return 0;
	for (size_t i = 0; i < HANDLERS_MAX && l->v.reads && find_handler(l, at, &h); i++) {
		if (!n || h.depth <= ret[n - 1].depth)
			ret[n++] = h;
		at = h.target;
	}
	return n;
}

/* ---- to 3.10: the block stack ---- */

/* Whether a SETUP_WITH has its handler there, and where it is. */
static bool find_setup(struct py_locker *l, uint64_t code, uint32_t handler, uint32_t *ret)
{
	uint32_t arg = 0, unit = l->w.off->version_hex >= 0x030a0000 ? 2 : 1;
	if (!load_bytes(l, code, l->lay->code.bytes, CODE_MAX))
		return false;
	charge(l, l->table.len);
	for (uint32_t i = 0; i + 1 < l->table.len; i += 2) {
		uint8_t op = l->table.data[i];
		arg = arg << 8 | l->table.data[i + 1];
		if (op == SETUP_WITH && i + 2 + arg * unit == handler * unit) {
			*ret = i;
			return true;
		}
		if (op != EXTENDED_ARG)
			arg = 0;
	}
	return false;
}

/* What a block wants of the stack, with the SETUP_WITH for a handler. */
static size_t read_blocks(struct py_locker *l, const struct py_frame *f, struct handler *ret)
{
	struct {
		int32_t type, handler, level;
	} block[BLOCKS_MAX];
	int32_t n;
	size_t kept = 0;
	if (!number(l, f->addr, l->lay->frame.nblocks, &n) || n <= 0 || n > (int32_t)BLOCKS_MAX ||
	    l->lay->frame.blocks == PY_NONE)
		return 0;
	struct err *err = val_read(&l->v, f->addr + l->lay->frame.blocks, block,
				   (size_t)n * sizeof(block[0]));
	for (int32_t i = n; !err && i-- > 0;) {
		uint32_t at;
		if (block[i].type == SETUP_FINALLY && block[i].level > 0 && block[i].handler > 0 &&
		    find_setup(l, f->code_addr, (uint32_t)block[i].handler, &at))
			ret[kept++] = (struct handler){ (uint32_t)block[i].level, at };
	}
	err_drop(err);
	return kept;
}

/* ---- the with statements ---- */

/* From 3.14 on the function and the object lie side by side, before they are bound. */
static uint64_t find_manager(struct py_locker *l, uint64_t stack, uint32_t depth)
{
	uint64_t slot[2] = { 0 }, tags = ~(uint64_t)l->w.off->code_tag;
	size_t n = depth > 1 ? 2 : 1;
	struct err *err = val_read(&l->v, stack + 8 * (uint64_t)(depth - n), &slot[2 - n], 8 * n);
	if (err) {
		err_drop(err);
		return 0;
	}
	slot[0] &= tags;
	slot[1] &= tags;
	if (slot[1] && slot[0] && lck_is_unbound(l, slot[0], "__exit__"))
		return slot[1];
	return lck_bound_self(l, slot[1] ? slot[1] : slot[0], "__exit__");
}

static int32_t line_at(struct py_locker *l, const struct py_frame *f, uint32_t at)
{
	struct py_code *code;
	struct py_position pos = { .line = -1 };
	struct err *err = py_codes_get(&l->w.py->codes, l->w.mem, l->w.off, f->code_addr, &code);
	if (!err && !code->corrupt && !code->absent)
		py_code_position(code, (int32_t)at, &pos);
	err_drop(err);
	return pos.line;
}

size_t lck_withs(struct py_locker *l, const struct py_frame *f, struct lck_with *ret)
{
	struct handler chain[HANDLERS_MAX];
	uint64_t stack;
	uint32_t size, last = 0;
	size_t n = 0;
	if (f->corrupt || f->incomplete)
		return 0;
	size_t len = has_blocks(l) ? read_blocks(l, f, chain) : read_chain(l, f, chain);
	if (!len || !find_stack(l, f, &stack, &size))
		return 0;
	/* From the outermost; of handlers that want as much the outermost is the with's. */
	for (size_t i = len; i-- > 0 && n < LCK_WITHS_MAX;) {
		if (!chain[i].depth || chain[i].depth > size || chain[i].depth == last)
			continue;
		last = chain[i].depth;
		uint64_t manager = find_manager(l, stack, chain[i].depth);
		if (manager)
			ret[n++] = (struct lck_with){ manager, line_at(l, f, chain[i].target) };
	}
	return n;
}

/* ---- variables ---- */

uint64_t lck_variable(struct py_locker *l, const struct py_frame *f, const char *name)
{
	uint64_t names, n, at, value = 0;
	if (f->corrupt || f->incomplete || l->lay->frame.slots == PY_NONE ||
	    !word(l, f->code_addr, l->lay->code.variables, &names) ||
	    !word(l, names, l->w.off->object.var_size, &n))
		return 0;
	for (uint64_t i = 0; i < n && i < NAMES_MAX; i++) {
		if (!word(l, names + 8 * i, l->v.lay.tuple.items, &at))
			return 0;
		if (!val_str_is(&l->v, at, name))
			continue;
		return word(l, f->addr + 8 * i, l->lay->frame.slots, &value)
			       ? value & ~(uint64_t)l->w.off->code_tag
			       : 0;
	}
	return 0;
}

size_t lck_words(struct py_locker *l, const struct py_frame *f, bool with_stack, uint64_t *ret,
		 size_t n)
{
	uint64_t stack, start = f->addr + l->lay->frame.slots;
	uint32_t size;
	if (f->corrupt || f->incomplete || l->lay->frame.slots == PY_NONE ||
	    !find_stack(l, f, &stack, &size) || stack < start)
		return 0;
	uint64_t nvars = (stack - start) / 8;
	size = with_stack ? size : 0;
	if (nvars > PY_STACK_MAX || nvars + size > n)
		return 0;
	n = nvars + size;
	struct err *err = n ? val_read(&l->v, start, ret, 8 * n) : NULL;
	for (size_t i = 0; !err && i < n; i++)
		ret[i] &= ~(uint64_t)l->w.off->code_tag;
	err_drop(err);
	return err ? 0 : n;
}

bool lck_generator_frame(struct py_locker *l, uint64_t generator, struct py_frame *ret)
{
	uint64_t addr = generator + l->lay->generator.frame;
	if (l->lay->generator.frame == PY_NONE || !lck_is(l, generator, "generator") ||
	    (has_blocks(l) && (!word(l, addr, 0, &addr) || !addr)))
		return false;
	struct err *err = py_frame_single(&l->w, addr, ret);
	err_drop(err);
	return !err && !ret->corrupt && ret->name;
}
