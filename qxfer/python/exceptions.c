/* SPDX-License-Identifier: MIT */
/*
 * Include/cpython/pyerrors.h: every exception begins with PyException_HEAD, which
 * has been { object, dict, args, traceback, context, cause, suppress_context } and
 * since 3.11 has notes behind args.  Include/cpython/traceback.h: PyTracebackObject
 * { object, next, frame, lasti, lineno }.  Include/internal/pycore_frame.h: struct
 * _frame { object, f_back, f_frame }.
 */
#include "qxfer/python/exceptions.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/excerpts.h"
#include "qxfer/python/state.h"
#include "qxfer/python/text.h"
#include "qxfer/python/values_priv.h"

#define HANDLED_MAX 100u /* one within the other */

struct reader {
	struct python *py;
	struct py_values *v;
	struct py_exceptions *e;
};

void py_exceptions_end(struct py_exceptions *e)
{
	arena_deinit(&e->arena);
	buf_deinit(&e->scratch);
	*e = (struct py_exceptions){ 0 };
}

static const char *keep(struct reader *r, const struct buf *b)
{
	return b->failed ? NULL : arena_strdup(&r->e->arena, b->data, b->len);
}

/* Says why something is missing, unless it was said already.  Drops @err. */
static struct err *note_damage(struct reader *r, const char **why, struct err *err)
{
	if (!err || err->code == ERR_NOMEM)
		return err;
	if (!*why)
		*why = arena_strdup(&r->e->arena, err->msg, strlen(err->msg));
	err_drop(err);
	return *why ? NULL : &err_nomem;
}

/* ---- one exception ---- */

static struct err *read_type_name(struct reader *r, const struct py_type *t, const char **ret)
{
	struct buf *b = &r->e->scratch;
	static const char main_module[] = "__main__.";
	size_t skip = sizeof(main_module) - 1;
	buf_clear(b);
	val_begin(r->v, b);
	struct err *err = val_put_type_name(r->v, t);
	if (err)
		return err;
	if (b->len > skip && memcmp(b->data, main_module, skip) == 0) {
		memmove(b->data, b->data + skip, b->len - skip);
		b->len -= skip;
	}
	*ret = keep(r, b);
	return *ret ? NULL : &err_nomem;
}

static struct err *read_text(struct reader *r, uint64_t addr, struct py_exception *x)
{
	struct buf *b = &r->e->scratch;
	buf_clear(b);
	val_begin(r->v, b);
	r->v->lines = r->e->lines;
	struct err *err = val_put_exception_text(r->v, addr, &x->told);
	r->v->lines = false;
	if (err)
		return err;
	x->text = keep(r, b);
	return x->text ? NULL : &err_nomem;
}

static struct err *read_excerpt(struct reader *r, uint64_t addr, struct py_exception *x)
{
	struct buf *b = &r->e->scratch;
	_cleanup_buf_ struct buf message = { 0 };
	buf_clear(b);
	val_begin(r->v, b);
	r->v->lines = r->e->lines;
	struct err *err = py_excerpt_put(r->v, addr, b, &message);
	r->v->lines = false;
	if (err && err->code == ERR_NOT_FOUND) {
		err_drop(err);
		return NULL;
	}
	if (err)
		return err;
	x->message = keep(r, &message);
	if (x->message)
		x->excerpt = keep(r, b);
	return x->excerpt ? NULL : &err_nomem;
}

/* Where the items of a list or tuple are; false: it is neither. */
static bool find_items(struct reader *r, uint64_t addr, uint64_t *items, uint64_t *n,
		       struct err **ret)
{
	bool list = val_is(r->v, addr, "list");
	if (!list && !val_is(r->v, addr, "tuple"))
		return false;
	*items = addr + r->v->lay.tuple.items;
	*ret = val_word(r->v, addr, r->v->off->object.var_size, n);
	if (!*ret && list)
		*ret = val_word(r->v, addr, r->v->lay.list.items, items);
	return true;
}

/* add_note() keeps them as an ordinary attribute. */
static struct err *read_notes(struct reader *r, uint64_t addr, const struct py_type *t,
			      struct py_exception *x)
{
	uint64_t notes, n = 0, items = 0, item;
	struct buf *b = &r->e->scratch;
	val_begin(r->v, b);
	struct err *err = val_attr(r->v, addr, t, "__notes__", &notes);
	if (err || !notes || !find_items(r, notes, &items, &n, &err))
		return err;
	if (n > PY_EXC_NOTES_MAX)
		n = PY_EXC_NOTES_MAX;
	x->note = arena_alloc(&r->e->arena, (n + 1) * sizeof(*x->note));
	if (!err && !x->note)
		err = &err_nomem;
	for (uint64_t i = 0; !err && i < n; i++) {
		err = val_word(r->v, items + 8 * i, 0, &item);
		if (err)
			break;
		buf_clear(b);
		val_begin(r->v, b);
		r->v->lines = r->e->lines;
		err = val_put_text_of(r->v, item);
		r->v->lines = false;
		if (!err && !(x->note[x->nnotes++] = keep(r, b)))
			err = &err_nomem;
	}
	return err;
}

/* ---- tracebacks ---- */

/* The code object of a frame object. */
static struct err *find_code(struct reader *r, uint64_t frame, uint64_t *ret)
{
	const struct py_offsets *off = &r->py->rt.off;
	struct err *err = NULL;
	*ret = 0;
	if (PY_MINOR(off->version_hex) >= 0x030b)
		err = mem_ptr(r->v->mem, frame + r->v->lay.exception.args, &frame);
	if (!err)
		err = mem_ptr(r->v->mem, frame + off->frame.code, ret);
	*ret &= ~(uint64_t)off->code_tag;
	return err;
}

static struct err *read_entry(struct reader *r, uint64_t frame, int32_t lasti,
			      struct py_exc_entry *entry)
{
	struct py_position pos = { -1, -1, -1, -1 };
	struct py_code *code;
	uint64_t addr;
	struct err *err = find_code(r, frame, &addr);
	if (!err)
		err = py_codes_get(&r->py->codes, r->v->mem, &r->py->rt.off, addr, &code);
	if (!err && code->absent)
		err = err_new(ERR_BAD_DATA, "no code object at 0x%" PRIx64, addr);
	if (!err && code->corrupt)
		err = err_new(ERR_BAD_DATA, "%s", code->corrupt);
	if (err)
		return err;
	entry->file = code->file;
	entry->name = code->name;
	/* From 3.12 on the line is found out when somebody asks for it. */
	if (entry->line < 0 && py_code_position(code, lasti, &pos))
		entry->line = pos.line;
	return NULL;
}

/* A traceback object: next, frame, and lasti and lineno as the last word. */
static struct err *load_traceback(struct reader *r, uint64_t tb, uint64_t part[3])
{
	const struct py_type *t;
	if (tb % 8)
		return err_new(ERR_BAD_DATA, "no traceback at 0x%" PRIx64, tb);
	struct err *err = val_type_of(r->v, tb, &t);
	if (!err && strcmp(t->tp_name, "traceback") != 0)
		err = err_new(ERR_BAD_DATA, "no traceback at 0x%" PRIx64, tb);
	return err ? err : val_read(r->v, tb + r->v->lay.exception.args - 8, part, 24);
}

/* Appends to the entries of @x, which has room for @room of them. */
static struct err *add_entry(struct reader *r, const uint64_t part[3], struct py_exc_entry *entries,
			     size_t room, struct py_exception *x)
{
	if (x->nentries == room)
		return err_new(ERR_BAD_DATA, "more traceback entries than are shown");
	struct py_exc_entry entry = { .line = (int32_t)(part[2] >> 32) };
	struct err *err = read_entry(r, part[1], (int32_t)part[2], &entry);
	if (err)
		return err;
	entries[x->nentries++] = entry;
	r->e->nentries++;
	return NULL;
}

/* Finds how many there are, which a cycle ends. */
static struct err *count_entries(struct reader *r, uint64_t tb, size_t *ret)
{
	struct py_brent brent = { 0 };
	uint64_t part[3] = { 0 };
	for (*ret = 0; tb && *ret < PY_EXC_ENTRIES_MAX; ++*ret) {
		if (py_brent_seen(&brent, tb, *ret))
			return err_new(ERR_BAD_DATA, "the traceback forms a cycle at 0x%" PRIx64,
				       tb);
		r->v->reads = r->v->limits.reads;
		struct err *err = load_traceback(r, tb, part);
		if (err)
			return err;
		tb = part[0];
	}
	return NULL;
}

static struct err *read_traceback(struct reader *r, uint64_t tb, struct py_exception *x)
{
	uint64_t part[3] = { 0 };
	size_t n, room = PY_EXC_ENTRIES_MAX - r->e->nentries;
	struct err *damage = count_entries(r, tb, &n), *err = NULL;
	if (damage && damage->code == ERR_NOMEM)
		return damage;
	if (room > n)
		room = n;
	struct py_exc_entry *entries = arena_alloc(&r->e->arena, room * sizeof(*entries) + 1);
	x->entry = entries;
	for (size_t i = 0; entries && tb && i < n && !err; i++) {
		r->v->reads = r->v->limits.reads;
		err = load_traceback(r, tb, part);
		if (!err)
			err = add_entry(r, part, entries, room, x);
		tb = part[0];
	}
	if (!err && !damage && entries && tb)
		err = err_new(ERR_BAD_DATA, "more traceback entries than are shown");
	if (err) {
		err_drop(damage);
		return err;
	}
	return entries ? damage : &err_nomem;
}

/* ---- what it came after ---- */

static size_t find(const struct py_exceptions *e, uint64_t addr)
{
	size_t i = 0;
	while (i < e->n && e->exc[i].addr != addr)
		i++;
	return i;
}

/* A new one, to be read later; or the one that is there.  PY_EXC_MAX: there is no room. */
static size_t add(struct reader *r, uint64_t addr)
{
	struct py_exceptions *e = r->e;
	size_t i = find(e, addr);
	if (i < e->n)
		return i;
	if (e->n == PY_EXC_MAX) {
		e->corrupt = "there are more exceptions than are shown";
		return PY_EXC_MAX;
	}
	e->exc[e->n] = (struct py_exception){ .addr = addr, .handling = -1, .text = "" };
	return e->n++;
}

/* As traceback decides which of the two to tell of. */
static struct err *find_next(struct reader *r, uint64_t addr, struct py_exception *x)
{
	struct val_exception part;
	struct err *err = val_exception(r->v, addr, &part);
	uint64_t next = 0;
	if (err)
		return err;
	if (part.cause && !val_is(r->v, part.cause, "NoneType")) {
		next = part.cause;
		x->kind = PY_EXC_CAUSE;
	} else if (part.context && !part.suppress) {
		next = part.context;
		x->kind = PY_EXC_CONTEXT;
	}
	size_t i = next ? add(r, next) : PY_EXC_MAX;
	if (i == PY_EXC_MAX)
		x->kind = PY_EXC_NONE;
	x->next = i;
	/* with_traceback(None) leaves that there, to 3.10. */
	if (!part.traceback || val_is(r->v, part.traceback, "NoneType"))
		return NULL;
	return read_traceback(r, part.traceback, x);
}

/* Those in a group, to be read later; as many as traceback shows. */
static struct err *find_members(struct reader *r, struct py_exception *x)
{
	uint64_t tuple, item, items, n = 0;
	struct err *err = val_group_members(r->v, x->addr, &tuple);
	if (err && err->code == ERR_NOT_FOUND) {
		err_drop(err);
		return NULL;
	}
	if (err || !find_items(r, tuple, &items, &n, &err) || err)
		return err;
	size_t *member = arena_alloc(&r->e->arena, PY_EXC_MEMBERS_MAX * sizeof(*member));
	if (!member)
		return &err_nomem;
	x->group = true;
	x->group_size = n;
	x->member = member;
	for (uint64_t i = 0; i < n && i < PY_EXC_MEMBERS_MAX; i++) {
		err = val_word(r->v, items + 8 * i, 0, &item);
		size_t k = err || !item ? PY_EXC_MAX : add(r, item);
		if (k == PY_EXC_MAX)
			return err;
		member[x->nmembers++] = k;
	}
	return NULL;
}

static struct err *read_one(struct reader *r, size_t i)
{
	struct py_exception *x = &r->e->exc[i];
	const struct py_type *t = NULL;
	x->type = "?";
	val_begin(r->v, &r->e->scratch);
	struct err *err = val_type_of(r->v, x->addr, &t);
	if (!err)
		err = read_type_name(r, t, &x->type);
	if (!err)
		err = read_text(r, x->addr, x);
	if (!err)
		err = note_damage(r, &x->corrupt, read_excerpt(r, x->addr, x));
	if (!err)
		err = note_damage(r, &x->corrupt, read_notes(r, x->addr, t, x));
	val_begin(r->v, &r->e->scratch);
	if (!err)
		err = note_damage(r, &x->corrupt, find_members(r, x));
	if (!err)
		err = find_next(r, x->addr, x);
	return note_damage(r, &x->corrupt, err);
}

/* ---- a thread's ---- */

/*
 * Up to 3.11 type, value and traceback are three, and the value need not be an
 * exception yet: it may be missing, or what the exception will be made of.
 */
static struct err *read_unmade(struct reader *r, const uint64_t part[3])
{
	const struct py_type *t;
	size_t i = r->e->n++;
	struct py_exception *x = &r->e->exc[i];
	struct buf *b = &r->e->scratch;
	*x = (struct py_exception){ .handling = -1, .text = "", .type = "?", .raising = true };
	val_begin(r->v, b);
	struct err *err = val_type(r->v, part[0], &t);
	if (!err)
		err = read_type_name(r, t, &x->type);
	buf_clear(b);
	val_begin(r->v, b);
	if (!err && part[1])
		err = val_put_unmade_text(r->v, t, part[1], &x->told);
	else
		x->told = true;
	if (!err && !(x->text = keep(r, b)))
		err = &err_nomem;
	if (!err && part[2])
		err = read_traceback(r, part[2], x);
	return note_damage(r, &x->corrupt, err);
}

static struct err *add_raising(struct reader *r, uint64_t tstate)
{
	const struct py_offsets *off = &r->py->rt.off;
	uint64_t part[3] = { 0 };
	if (off->tstate.raising == PY_NONE)
		return NULL;
	val_begin(r->v, &r->e->scratch);
	/* curexc_type, curexc_value, curexc_traceback */
	struct err *err =
		val_read(r->v, tstate + off->tstate.raising, part, off->raising_type ? 24 : 8);
	if (err || !part[0])
		return err;
	if (off->raising_type && !val_is(r->v, part[1], "BaseException"))
		return read_unmade(r, part);
	size_t i = add(r, part[off->raising_type]);
	r->e->exc[i].raising = true;
	return NULL;
}

/* 3.6: those that a generator is in the middle of are kept in its frame. */
static struct err *add_only_handled(struct reader *r, uint64_t tstate)
{
	uint64_t value;
	struct err *err = mem_ptr(r->v->mem, tstate + r->py->rt.off.tstate.handled, &value);
	val_begin(r->v, &r->e->scratch);
	if (err || !value || val_is(r->v, value, "NoneType"))
		return err;
	size_t i = add(r, value);
	if (i < PY_EXC_MAX)
		r->e->exc[i].handling = 0;
	return NULL;
}

/* tstate->exc_info and what is below it: each except block that runs has one. */
static struct err *add_handled(struct reader *r, uint64_t tstate)
{
	const struct py_offsets *off = &r->py->rt.off;
	uint64_t item = 0, value;
	int level = 0;
	if (off->tstate.handled != PY_NONE)
		return add_only_handled(r, tstate);
	if (off->tstate.exc_info == PY_NONE || off->exc_item.value == PY_NONE ||
	    off->exc_item.previous == PY_NONE)
		return NULL;
	struct err *err = mem_ptr(r->v->mem, tstate + off->tstate.exc_info, &item);
	for (unsigned int n = 0; !err && item && n < HANDLED_MAX; n++) {
		err = mem_ptr(r->v->mem, item + off->exc_item.value, &value);
		val_begin(r->v, &r->e->scratch);
		if (!err && value && !val_is(r->v, value, "NoneType")) {
			size_t i = add(r, value);
			if (i == PY_EXC_MAX)
				return NULL;
			if (r->e->exc[i].handling < 0)
				r->e->exc[i].handling = level++;
		}
		if (!err)
			err = mem_ptr(r->v->mem, item + off->exc_item.previous, &item);
	}
	return err;
}

struct err *py_exceptions_read(struct python *py, struct py_values *v, const struct py_thread *t,
			       bool lines, struct py_exceptions *ret)
{
	struct reader r = { py, v, ret };
	*ret = (struct py_exceptions){ .lines = lines };
	struct err *err = add_raising(&r, t->addr);
	if (!err)
		err = add_handled(&r, t->addr);
	err = note_damage(&r, &ret->corrupt, err);
	for (size_t i = 0; !err && i < ret->n; i++)
		if (ret->exc[i].addr)
			err = read_one(&r, i);
	return err;
}
