/* SPDX-License-Identifier: MIT */
/*
 * Places: instructions of code objects with our opcode over them.
 *
 * CPython 3.11 and later change instructions while they run, so an instruction with our
 * opcode runs as its base form, whose caches are of no use then: they are filled with
 * NOPs, which mean nothing to whoever goes through the instructions (instrumentation
 * takes an undefined opcode for one without caches), and a counter that never runs out
 * (Include/internal/pycore_code.h, adaptive_counter_*; pycore_backoff.h).  An
 * instruction before it that does the work of both becomes one that does not.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/pybreak_priv.h"

#define COUNTER_HIGH 0xff

/* Include/cpython/code.h: PyCodeObject, _PyCoMonitoringData, _PyCoCached. */
struct monitoring {
	uint16_t minor;
	uint16_t cached;     /* in the code object: _co_code (3.11), or what points to it */
	uint16_t monitoring; /* in the code object; 0: none */
	uint16_t lines, opcodes;
	bool wide; /* a byte ahead of the lines says how many bytes an entry has */
};

static const struct monitoring monitorings[] = {
	{ 0x030b, 152, 0, 0, 0, false },      { 0x030c, 152, 168, 40, 56, false },
	{ 0x030d, 160, 176, 32, 48, false },  { 0x030e, 160, 176, 96, 112, true },
	{ 0x030f, 160, 176, 104, 120, true },
};

static const struct monitoring *monitoring_of(const struct pybreak *pb)
{
	for (size_t i = 0; i < sizeof(monitorings) / sizeof(monitorings[0]); i++)
		if (monitorings[i].minor == pb->opcodes->minor)
			return &monitorings[i];
	return NULL;
}

static uint64_t word_of(struct mem *m, uint64_t addr)
{
	uint64_t v = 0;
	struct err *err = addr ? mem_ptr(m, addr, &v) : NULL;
	err_drop(err);
	return v;
}

/* Where the opcodes are that INSTRUMENTED_LINE and _INSTRUCTION stand for; 0: nowhere. */
static void find_copies(const struct pybreak *pb, struct mem *m, uint64_t code, uint32_t offset,
			uint64_t ret[2])
{
	const struct monitoring *x = monitoring_of(pb);
	uint8_t width = 2;

	ret[0] = ret[1] = 0;
	uint64_t data = x && x->monitoring ? word_of(m, code + x->monitoring) : 0;
	if (!data)
		return;
	uint64_t lines = word_of(m, data + x->lines), opcodes = word_of(m, data + x->opcodes);
	if (lines && x->wide && mem_read_some(m, lines, &width, 1) != 1)
		lines = 0;
	if (lines)
		ret[0] = lines + x->wide + (uint64_t)offset / 2 * width;
	if (opcodes)
		ret[1] = opcodes + offset / 2;
}

/* co_code as the program was given it while the place was there, and will be again. */
static void clean_cached(const struct pybreak *pb, struct mem *m, const struct place *p)
{
	static const uint8_t zeros[2 * CACHES_MAX];
	const struct monitoring *x = monitoring_of(pb);
	uint64_t bytes = x ? word_of(m, p->code + x->cached) : 0;
	uint8_t now;

	if (bytes && x->minor > 0x030b)
		bytes = word_of(m, bytes);
	uint64_t at = bytes + pb->off.bytes.data + p->offset;
	if (!bytes || word_of(m, bytes + pb->off.bytes.size) <= p->offset ||
	    mem_read_some(m, at, &now, 1) != 1 || (now && now != p->mark))
		return;
	struct err *err = mem_write(m, at, &p->op, 1);
	if (!err && p->caches <= CACHES_MAX)
		err = mem_write(m, at + 2, zeros, (size_t)2 * p->caches);
	err_drop(err); /* it has just been read */
}

void pybreak_clean_copies(const struct pybreak *pb, struct mem *m, const struct place *p)
{
	const struct py_opcodes *o = pb->opcodes;
	uint64_t copy[2];
	uint8_t now, there = 0;

	clean_cached(pb, m, p);
	find_copies(pb, m, p->code, p->offset, copy);
	(void)mem_read_some(m, p->addr, &there, 1);
	bool replaced =
		there && (there == o->instrumented_line || there == o->instrumented_instruction);
	for (size_t i = 0; i < 2; i++) {
		/* In 3.12 and 3.13 the base form of an undefined opcode is CACHE, 0. */
		if (!copy[i] || mem_read_some(m, copy[i], &now, 1) != 1 ||
		    !(now == p->mark || (now == 0 && replaced)))
			continue;
		struct err *err = mem_write(m, copy[i], &p->op, 1);
		err_drop(err); /* it has just been read */
	}
}

struct original {
	const struct pybreak *pb;
	struct mem *mem;
	uint64_t code;
};

/* What an instrumented instruction stands for. */
static uint8_t original_op(void *arg, uint32_t offset)
{
	const struct original *o = arg;
	uint64_t copy[2];
	uint8_t op = 0;

	find_copies(o->pb, o->mem, o->code, offset, copy);
	for (size_t i = 0; i < 2; i++) {
		if (copy[i] && mem_read_some(o->mem, copy[i], &op, 1) == 1 && op &&
		    op != o->pb->opcodes->instrumented_instruction)
			return op;
	}
	return 0;
}

struct err *pybreak_read_code(struct pybreak *pb, uint64_t code, struct py_instrs *ret)
{
	struct mem *m = &pb->target->mem;
	const struct py_offsets *off = &pb->off;
	uint64_t at = code + off->code.bytecode, type, name, size;
	char text[5] = "";

	/* Type objects' names lie in the file, which is there in a live process. */
	struct err *err = mem_ptr(m, code + off->object.type, &type);
	if (!err)
		err = mem_ptr(m, type + off->type.name, &name);
	if (!err)
		err = mem_read(m, name, text, sizeof(text));
	if (!err && memcmp(text, "code", 5) != 0)
		err = err_new(ERR_BAD_DATA, "no code object at 0x%llx", (unsigned long long)code);
	if (!err && off->code.bytecode == PY_NONE)
		err = mem_ptr(m, code + off->code.bytes, &at);
	if (!err && off->code.bytecode == PY_NONE) {
		err = mem_ptr(m, at + off->bytes.size, &size);
		at += off->bytes.data;
	} else if (!err) {
		err = mem_ptr(m, code + off->object.var_size, &size);
		size = err || size > PY_CODE_BYTES_MAX ? size : size * 2;
	}
	if (!err && size > PY_CODE_BYTES_MAX)
		err = err_new(ERR_BAD_DATA, "the code object at 0x%llx is implausibly long",
			      (unsigned long long)code);
	struct original o = { pb, m, code };
	const struct py_originals of = { original_op, &o };
	return err ? err : py_instrs_read(m, pb->opcodes, at, (uint32_t)size, &of, ret);
}

/* co_firsttraceable: where RESUME is (3.11 and later); else 0. */
static uint32_t first_traceable(const struct pybreak *pb, uint64_t code)
{
	uint32_t units = 0;
	if (pb->off.code.first_traceable == PY_NONE ||
	    mem_read_some(&pb->target->mem, code + pb->off.code.first_traceable, &units, 4) != 4 ||
	    units > PY_CODE_BYTES_MAX / 2)
		return 0;
	return units * 2;
}

static uint8_t op_at(const struct pybreak *pb, const struct py_instrs *c, uint64_t code,
		     uint32_t offset)
{
	struct original o = { pb, &pb->target->mem, code };
	uint8_t op = c->bytes[offset];
	const struct py_opcodes *ops = pb->opcodes;
	bool hidden = op && (op == ops->instrumented_line || op == ops->instrumented_instruction);
	uint8_t real = hidden ? original_op(&o, offset) : 0;
	return real ? real : op;
}

uint32_t pybreak_place_of(const struct pybreak *pb, const struct py_instrs *c, uint64_t code,
			  uint32_t offset)
{
	uint32_t first = first_traceable(pb, code);

	if (offset < first)
		offset = first;
	/* RESUME writes its other form over itself. */
	if (offset < c->len && py_opcode_is_resume(pb->opcodes, op_at(pb, c, code, offset)))
		offset = py_instrs_next(c, offset);
	return offset;
}

/* ---- tables ---- */

static size_t lower_place(const struct pybreak *pb, uint64_t addr)
{
	size_t lo = 0, hi = pb->nplaces;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (pb->place[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct place *pybreak_find(struct pybreak *pb, uint64_t addr)
{
	size_t i = lower_place(pb, addr);
	return i < pb->nplaces && pb->place[i].addr == addr ? &pb->place[i] : NULL;
}

size_t pybreak_first_want(const struct pybreak *pb, uint64_t addr)
{
	size_t lo = 0, hi = pb->nwants;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (pb->want[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Makes room for one more at @at. */
static void *open_gap(void **array, size_t *n, size_t *cap, size_t size, size_t at)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		void *fresh = reallocarray(*array, more, size);
		if (!fresh)
			return NULL;
		*array = fresh;
		*cap = more;
	}
	char *where = (char *)*array + at * size;
	memmove(where + size, where, (*n - at) * size);
	memset(where, 0, size);
	++*n;
	return where;
}

/* ---- bytes ---- */

static struct err *put(struct pybreak *pb, uint64_t addr, uint8_t byte, bool scratch)
{
	return pb->target->own->put(pb->target, addr, byte, scratch);
}

static void take(struct pybreak *pb, uint64_t addr)
{
	pb->target->own->take(pb->target, addr);
}

/* NOPs over @n caches behind @addr, the first of them a counter that is far from its end. */
static struct err *fill_caches(struct pybreak *pb, uint64_t addr, uint8_t n)
{
	struct err *err = NULL;
	for (uint8_t i = 0; i < n && !err; i++) {
		uint64_t at = addr + 2 + 2ull * i;
		err = put(pb, at, pb->opcodes->nop, true);
		if (!err)
			err = put(pb, at + 1, i ? 0 : COUNTER_HIGH, true);
	}
	return err;
}

static void take_caches(struct pybreak *pb, uint64_t addr, uint8_t n)
{
	for (uint32_t i = 0; i < 2u * n; i++)
		take(pb, addr + 2 + i);
}

void pybreak_freeze(struct pybreak *pb, struct place *p)
{
	struct err *err = NULL;
	if (p->caches)
		err = put(pb, p->addr + 3, COUNTER_HIGH, true);
	if (!err && p->before_caches)
		err = put(pb, p->before + 3, COUNTER_HIGH, true);
	err_drop(err); /* it could be written before */
	p->hits = 0;
}

/* The instruction before, if it does this one's work as well. */
static struct err *part_from(struct pybreak *pb, struct place *p, uint64_t before, uint8_t op)
{
	uint8_t single = pb->opcodes->single[op];

	/* One with our opcode runs as its base form, which does its own work only. */
	if (!single || pybreak_find(pb, before))
		return NULL;
	p->before = before;
	p->before_caches = pb->opcodes->caches[op];
	struct err *err = fill_caches(pb, before, p->before_caches);
	return err ? err : put(pb, before, single, false);
}

/* What stays behind @gone was never merged with it, and must not be from now on. */
static void part_next(struct pybreak *pb, const struct place *gone)
{
	struct place *next = pybreak_find(pb, gone->addr + 2 + 2ull * gone->caches);
	uint8_t op;

	if (!next || mem_read_some(&pb->target->mem, gone->addr, &op, 1) != 1)
		return;
	struct err *err = part_from(pb, next, gone->addr, op);
	err_drop(err); /* it could be written before */
}

static void take_out(struct pybreak *pb, const struct place *p)
{
	take(pb, p->addr);
	take_caches(pb, p->addr, p->caches);
	if (p->before && !pybreak_find(pb, p->before)) {
		take(pb, p->before);
		take_caches(pb, p->before, p->before_caches);
	}
	pybreak_clean_copies(pb, &pb->target->mem, p);
	part_next(pb, p);
}

static struct err *put_in(struct pybreak *pb, const struct py_instrs *c, struct place *p)
{
	uint8_t op = c->bytes[p->offset], real = op_at(pb, c, p->code, p->offset);

	if (op && op == pb->opcodes->enter_executor)
		return err_new(ERR_STATE, "its JIT has taken over this code");
	if (pb->opcodes->undefined[op])
		return err_new(ERR_BAD_DATA, "the instruction is not one");
	p->mark = pb->mark[c->bytes[p->offset + 1] == pb->mark[0]];
	p->op = py_opcode_base(pb->opcodes, op);
	p->arg = c->bytes[p->offset + 1];
	p->caches = pb->opcodes->caches[real];
	uint32_t before = py_instrs_before(c, p->offset);
	struct err *err = NULL;
	if (before < c->len)
		err = part_from(pb, p, c->at + before, c->bytes[before]);
	if (!err)
		err = fill_caches(pb, p->addr, p->caches);
	if (!err)
		err = put(pb, p->addr, p->mark, false);
	return err;
}

static struct err *make_place(struct pybreak *pb, const struct py_instrs *c, uint64_t code,
			      uint32_t offset)
{
	struct place p = { .addr = c->at + offset, .code = code, .offset = offset };

	if (pybreak_find(pb, p.addr))
		return NULL;
	struct place *slot = open_gap((void **)&pb->place, &pb->nplaces, &pb->places_cap,
				      sizeof(*slot), lower_place(pb, p.addr));
	if (!slot)
		return &err_nomem;
	*slot = p;
	struct err *err = put_in(pb, c, &p);
	slot = pybreak_find(pb, p.addr);
	*slot = p;
	if (!err)
		return NULL;
	size_t i = (size_t)(slot - pb->place);
	pb->nplaces--;
	memmove(slot, slot + 1, (pb->nplaces - i) * sizeof(*slot));
	take_out(pb, &p);
	return err;
}

/* ---- wants ---- */

static bool same_want(const struct want *a, const struct want *b)
{
	return a->addr == b->addr && a->user == b->user && a->code == b->code &&
	       a->offset == b->offset && a->frame == b->frame &&
	       (a->arg == b->arg || a->user == PYBREAK_CLIENT);
}

static struct err *note_want(struct pybreak *pb, const struct want *w)
{
	size_t i = pybreak_first_want(pb, w->addr);
	for (; i < pb->nwants && pb->want[i].addr == w->addr; i++) {
		if (same_want(&pb->want[i], w)) {
			pb->want[i] = *w;
			return NULL;
		}
	}
	struct want *slot =
		open_gap((void **)&pb->want, &pb->nwants, &pb->wants_cap, sizeof(*slot), i);
	if (!slot)
		return &err_nomem;
	*slot = *w;
	return NULL;
}

static bool is_wanted(const struct pybreak *pb, uint64_t addr)
{
	size_t i = pybreak_first_want(pb, addr);
	return i < pb->nwants && pb->want[i].addr == addr;
}

static void drop_places(struct pybreak *pb)
{
	size_t kept = 0, nout = 0;
	/* Out of the table first: what looks for its neighbours must not find it. */
	struct place *out = NULL;

	for (size_t i = 0; i < pb->nplaces; i++)
		nout += !is_wanted(pb, pb->place[i].addr);
	if (nout)
		out = reallocarray(NULL, nout, sizeof(*out));
	if (!out)
		return; /* nothing to drop; or no memory: they stay, and are passed in silence */
	nout = 0;
	for (size_t i = 0; i < pb->nplaces; i++) {
		if (is_wanted(pb, pb->place[i].addr))
			pb->place[kept++] = pb->place[i];
		else
			out[nout++] = pb->place[i];
	}
	pb->nplaces = kept;
	for (size_t i = 0; i < nout; i++)
		take_out(pb, &out[i]);
	free(out);
}

void pybreak_drop(struct pybreak *pb, bool (*match)(const struct want *w, const void *arg),
		  const void *arg)
{
	size_t kept = 0;
	for (size_t i = 0; i < pb->nwants; i++)
		if (!match(&pb->want[i], arg))
			pb->want[kept++] = pb->want[i];
	if (kept == pb->nwants)
		return;
	pb->nwants = kept;
	/* While the places are still known. */
	pybreak_settle(pb);
	drop_places(pb);
}

/* An offset in the middle of an instruction, where its caches are, stands for the next. */
static uint32_t round_up(const struct py_instrs *c, uint32_t offset)
{
	if (offset % 2 == 0 && offset < c->len && !c->starts[offset / 2])
		return py_instrs_next(c, offset);
	return offset;
}

static struct err *want_at(struct pybreak *pb, const struct py_instrs *c, const struct want *w)
{
	struct want found = *w;
	uint32_t at = pybreak_place_of(pb, c, w->code, round_up(c, w->offset));

	if (!py_instrs_begins(c, at))
		return err_new(ERR_BAD_DATA, "no instruction begins at offset %u", w->offset);
	found.addr = c->at + at;
	struct err *err = make_place(pb, c, w->code, at);
	return err ? err : note_want(pb, &found);
}

struct err *pybreak_want(struct pybreak *pb, const struct want *w)
{
	struct py_instrs c;
	struct err *err = pybreak_read_code(pb, w->code, &c);
	if (err)
		return err;
	err = want_at(pb, &c, w);
	py_instrs_deinit(&c);
	if (err)
		drop_places(pb);
	return err;
}

struct err *pybreak_want_each(struct pybreak *pb, const struct want *w,
			      bool (*want)(void *arg, uint32_t offset), void *arg)
{
	struct want one = *w;
	struct py_instrs c;
	struct err *err = pybreak_read_code(pb, w->code, &c);
	if (err)
		return err;
	for (uint32_t at = 0; at < c.len && !err; at = py_instrs_next(&c, at)) {
		one.offset = at;
		if (py_instrs_begins(&c, at) && want(arg, at) &&
		    pybreak_place_of(pb, &c, w->code, at) < c.len)
			err = want_at(pb, &c, &one);
	}
	py_instrs_deinit(&c);
	return err;
}

static void note_gone(struct pybreak *pb, const struct want *w)
{
	struct gone *g;
	if (w->user == PYBREAK_STEP)
		return;
	g = open_gap((void **)&pb->gone, &pb->ngone, &pb->gone_cap, sizeof(*g), pb->ngone);
	if (g)
		*g = (struct gone){ w->user, w->code, w->offset };
}

void pybreak_forget_code(struct pybreak *pb, uint64_t code)
{
	size_t kept = 0;
	for (size_t i = 0; i < pb->nwants; i++) {
		if (pb->want[i].code == code)
			note_gone(pb, &pb->want[i]);
		else
			pb->want[kept++] = pb->want[i];
	}
	pb->nwants = kept;
	/* It is about to end, not gone yet: what is put back is read by nobody, or by others
	 * that share the instructions (to 3.10). */
	drop_places(pb);
}
