/* SPDX-License-Identifier: MIT */
/*
 * CPython 3.11 to 3.15: every variable has a slot in the frame's localsplus, its
 * name in co_localsplusnames and its kind in co_localspluskinds
 * (Include/internal/pycore_code.h, CO_FAST_*).  To 3.10 the names are in three tuples,
 * of locals, cells and free variables; their slots follow each other in that order
 * (Objects/codeobject.c, Python/ceval.c).
 */
#include "qxfer/python/locals.h"

#include <inttypes.h>

#include "qxfer/python/text.h"
#include "qxfer/python/values_priv.h"

#define NAME_CHARS 200u

/* co_localspluskinds */
#define KIND_HIDDEN 0x10u
#define KIND_CELL   0x40u
#define KIND_FREE   0x80u

/* co_flags: the function's variables have slots; what f_locals has is an old copy */
#define CO_OPTIMIZED 0x0001u

const char *py_local_kind_name(enum py_local_kind kind)
{
	static const char *const names[] = {
		[PY_LOCAL_LOCAL] = "local",   [PY_LOCAL_CELL] = "cell", [PY_LOCAL_FREE] = "free",
		[PY_LOCAL_HIDDEN] = "hidden", [PY_LOCAL_NAME] = "name",
	};
	return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "local";
}

struct visitor {
	struct py_values *v;
	void (*visit)(void *arg, const struct py_local *local);
	void *arg;
	struct buf name, type, repr;
};

static const char *end_text(struct buf *b)
{
	buf_put(b, "", 1);
	return b->failed ? "" : (const char *)b->data;
}

static void put_reason(struct buf *out, struct err *err)
{
	buf_clear(out);
	buf_printf(out, "<corrupt: %s>", err->msg);
	err_drop(err);
}

/*
 * A cell's content; what is no cell yet is the argument that will be put into one.  Up to
 * 3.10 cells have a place of their own: there it need not be known what the type is called,
 * which a core does not tell where nobody imported `types'.
 */
static struct err *open_cell(struct py_values *v, uint64_t *addr)
{
	v->reads = v->limits.reads;
	bool always = PY_MINOR(v->off->version_hex) < 0x030b;
	return always || val_is(v, *addr, "cell") ? val_word(v, *addr, v->lay.cell.ref, addr)
						  : NULL;
}

static void put_value(struct visitor *w, uint64_t addr)
{
	struct py_values *v = w->v;
	py_value_type(v, addr, &w->type);
	if (v->text > PY_LOCALS_BYTES)
		buf_puts(&w->repr, "...");
	else
		py_value_put(v, addr, &w->repr);
	v->text += w->repr.len;
}

static void visit_one(struct visitor *w, uint64_t name, enum py_local_kind kind, uint64_t addr)
{
	struct py_local local = { .kind = kind };
	struct err *err = NULL;
	buf_clear(&w->name);
	buf_clear(&w->type);
	buf_clear(&w->repr);
	if (addr && (kind == PY_LOCAL_CELL || kind == PY_LOCAL_FREE))
		err = open_cell(w->v, &addr);
	if (err)
		put_reason(&w->repr, err);
	else if (addr)
		put_value(w, addr);
	err = py_text_str(w->v->mem, w->v->off, name, NAME_CHARS, &w->name);
	if (err)
		put_reason(&w->name, err);
	local.addr = addr;
	local.name = end_text(&w->name);
	local.type = end_text(&w->type);
	local.repr = end_text(&w->repr);
	w->visit(w->arg, &local);
}

static enum py_local_kind kind_of(uint8_t bits)
{
	return bits & KIND_FREE	    ? PY_LOCAL_FREE
	       : bits & KIND_CELL   ? PY_LOCAL_CELL
	       : bits & KIND_HIDDEN ? PY_LOCAL_HIDDEN
				    : PY_LOCAL_LOCAL;
}

struct fast {
	uint64_t names, n, kinds;
};

static struct err *find_fast(struct py_values *v, const struct py_frame *f, struct fast *ret)
{
	uint64_t names, kinds, nkinds;
	struct err *err = val_word(v, f->code_addr, v->lay.code.localsplusnames, &names);
	if (!err)
		err = val_word(v, f->code_addr, v->lay.code.localspluskinds, &kinds);
	if (!err)
		err = val_word(v, names, v->off->object.var_size, &ret->n);
	if (!err)
		err = val_word(v, kinds, v->off->bytes.size, &nkinds);
	if (err)
		return err;
	if (ret->n != nkinds || ret->n > 1u << 20 || v->lay.tuple.items == PY_NONE)
		return err_new(ERR_BAD_DATA, "the code object at 0x%" PRIx64 " has no names",
			       f->code_addr);
	ret->names = names + v->lay.tuple.items;
	ret->kinds = kinds + v->off->bytes.data;
	return NULL;
}

/* A slot may have tag bits from 3.14 on, and NULL too. */
static struct err *visit_slot(struct visitor *w, const struct py_frame *f, const struct fast *fast,
			      uint64_t i)
{
	struct py_values *v = w->v;
	uint64_t name, value;
	uint8_t bits;
	v->reads = v->limits.reads;
	struct err *err = val_word(v, fast->names + 8 * i, 0, &name);
	if (!err)
		err = val_read(v, fast->kinds + i, &bits, 1);
	if (!err)
		err = val_word(v, f->addr + 8 * i, v->lay.frame.localsplus, &value);
	if (err)
		return err;
	value &= ~(uint64_t)v->off->code_tag;
	/* A comprehension's variable is there while the comprehension runs. */
	if (value || !(bits & KIND_HIDDEN))
		visit_one(w, name, kind_of(bits), value);
	return NULL;
}

/* ---- to 3.10 ---- */

struct names {
	uint64_t items, n; /* of a tuple */
};

static struct err *open_names(struct py_values *v, uint64_t code, uint32_t offset,
			      struct names *ret)
{
	uint64_t tuple;
	struct err *err = val_word(v, code, offset, &tuple);
	if (!err)
		err = val_word(v, tuple, v->off->object.var_size, &ret->n);
	if (!err && (ret->n > 1u << 20 || v->lay.tuple.items == PY_NONE))
		err = err_new(ERR_BAD_DATA, "the code object at 0x%" PRIx64 " has no names", code);
	ret->items = tuple + v->lay.tuple.items;
	return err;
}

/* Where in the tuple a name is, which is interned: the same object; in->n if it is not. */
static struct err *find_name(struct py_values *v, const struct names *in, uint64_t name,
			     uint64_t *ret)
{
	for (*ret = 0; *ret < in->n && *ret < PY_LOCALS_MAX; ++*ret) {
		uint64_t other;
		struct err *err = val_word(v, in->items + 8 * *ret, 0, &other);
		if (err || other == name)
			return err;
	}
	*ret = in->n;
	return NULL;
}

/* The variables of a function, and where its slots begin. */
struct tuples {
	struct names locals, cells, frees;
	uint64_t slots;
};

/* An argument that is a cell has two names and slots: it was moved to the cell's. */
static struct err *visit_local(struct visitor *w, const struct tuples *t, uint64_t name, uint64_t i)
{
	struct py_values *v = w->v;
	uint64_t value, cell;
	struct err *err = find_name(v, &t->cells, name, &cell);
	bool moved = cell < t->cells.n;
	if (!err)
		err = val_word(v, t->slots + 8 * (moved ? t->locals.n + cell : i), 0, &value);
	if (!err)
		visit_one(w, name, moved ? PY_LOCAL_CELL : PY_LOCAL_LOCAL, value);
	return err;
}

static struct err *visit_cell(struct visitor *w, const struct tuples *t, uint64_t name, uint64_t i)
{
	struct py_values *v = w->v;
	uint64_t value, local;
	struct err *err = find_name(v, &t->locals, name, &local);
	if (err || local < t->locals.n)
		return err;
	err = val_word(v, t->slots + 8 * (t->locals.n + i), 0, &value);
	if (!err)
		visit_one(w, name, PY_LOCAL_CELL, value);
	return err;
}

static struct err *visit_free(struct visitor *w, const struct tuples *t, uint64_t name, uint64_t i)
{
	uint64_t value;
	struct err *err = val_word(w->v, t->slots + 8 * (t->locals.n + t->cells.n + i), 0, &value);
	if (!err)
		visit_one(w, name, PY_LOCAL_FREE, value);
	return err;
}

static struct err *visit_each(struct visitor *w, const struct tuples *t, const struct names *names,
			      struct err *(*visit)(struct visitor *w, const struct tuples *t,
						   uint64_t name, uint64_t i))
{
	struct err *err = NULL;
	for (uint64_t i = 0; !err && i < names->n && i < PY_LOCALS_MAX; i++) {
		uint64_t name;
		w->v->reads = w->v->limits.reads;
		err = val_word(w->v, names->items + 8 * i, 0, &name);
		if (!err)
			err = visit(w, t, name, i);
	}
	return err;
}

static struct err *visit_tuples(struct visitor *w, const struct py_frame *f)
{
	struct py_values *v = w->v;
	struct tuples t = { .slots = f->addr + v->lay.frame.localsplus };
	struct err *err = open_names(v, f->code_addr, v->lay.code.varnames, &t.locals);
	if (!err)
		err = open_names(v, f->code_addr, v->lay.code.cellvars, &t.cells);
	if (!err)
		err = open_names(v, f->code_addr, v->lay.code.freevars, &t.frees);
	if (!err)
		err = visit_each(w, &t, &t.locals, visit_local);
	if (!err)
		err = visit_each(w, &t, &t.cells, visit_cell);
	return err ? err : visit_each(w, &t, &t.frees, visit_free);
}

/* ---- all of them ---- */

static struct err *visit_fast(struct visitor *w, const struct py_frame *f)
{
	struct fast fast;
	struct err *err = find_fast(w->v, f, &fast);
	for (uint64_t i = 0; !err && i < fast.n && i < PY_LOCALS_MAX; i++)
		err = visit_slot(w, f, &fast, i);
	return err;
}

/* Of a class body or exec(): the dict, unless it is the globals. */
static struct err *visit_names(struct visitor *w, const struct py_frame *f)
{
	struct py_values *v = w->v;
	uint64_t globals, locals, key, value;
	struct val_dict d;
	uint32_t flags = 0;
	struct err *err = val_word(v, f->addr, v->lay.frame.globals, &globals);
	if (!err)
		err = val_word(v, f->addr, v->lay.frame.locals, &locals);
	if (!err && v->lay.code.flags != PY_NONE)
		err = val_read(v, f->code_addr + v->lay.code.flags, &flags, sizeof(flags));
	if (!err && flags & CO_OPTIMIZED)
		return NULL;
	if (err || !locals || locals == globals || !val_is(v, locals, "dict"))
		return err;
	err = val_dict_open(v, locals, &d);
	for (uint32_t i = 0; !err && i < PY_LOCALS_MAX; i++) {
		v->reads = v->limits.reads;
		err = val_dict_next(v, &d, &key, &value);
		if (err || !key)
			return err;
		if (val_is(v, key, "str"))
			visit_one(w, key, PY_LOCAL_NAME, value);
	}
	return err;
}

struct err *py_locals_visit(struct py_values *v, const struct py_frame *f,
			    void (*visit)(void *arg, const struct py_local *local), void *arg)
{
	struct visitor w = { .v = v, .visit = visit, .arg = arg };
	if (f->corrupt || f->incomplete)
		return NULL;
	v->reads = v->limits.reads;
	bool tuples = v->off->lasti_unit != 0;
	struct err *err = tuples ? visit_tuples(&w, f) : visit_fast(&w, f);
	v->reads = v->limits.reads;
	if (!err)
		err = visit_names(&w, f);
	buf_deinit(&w.name);
	buf_deinit(&w.type);
	buf_deinit(&w.repr);
	return err;
}

/* ---- one ---- */

static bool name_is(struct py_values *v, uint64_t items, uint64_t i, const char *name)
{
	uint64_t str;
	v->reads = v->limits.reads;
	struct err *err = val_word(v, items + 8 * i, 0, &str);
	bool is = !err && val_str_is(v, str, name);
	err_drop(err);
	return is;
}

static struct err *no_slot(const char *name)
{
	return err_new(ERR_NOT_FOUND, "no plain local variable is called '%.60s'", name);
}

static struct err *tuple_slot(struct py_values *v, uint64_t code, const char *name, uint32_t *ret)
{
	struct names locals, cells;
	struct err *err = open_names(v, code, v->lay.code.varnames, &locals);
	if (!err)
		err = open_names(v, code, v->lay.code.cellvars, &cells);
	if (err)
		return err;
	for (uint64_t i = 0; i < cells.n && i < PY_LOCALS_MAX; i++)
		if (name_is(v, cells.items, i, name))
			return no_slot(name);
	for (uint64_t i = 0; i < locals.n && i < PY_LOCALS_MAX; i++) {
		if (!name_is(v, locals.items, i, name))
			continue;
		*ret = (uint32_t)i;
		return NULL;
	}
	return no_slot(name);
}

struct err *py_local_slot(struct py_values *v, uint64_t code, const char *name, uint32_t *ret)
{
	const struct py_frame f = { .code_addr = code };
	struct fast fast;
	uint8_t bits;

	v->reads = v->limits.reads;
	if (v->off->lasti_unit)
		return tuple_slot(v, code, name, ret);
	struct err *err = find_fast(v, &f, &fast);
	for (uint64_t i = 0; !err && i < fast.n && i < PY_LOCALS_MAX; i++) {
		if (!name_is(v, fast.names, i, name))
			continue;
		err = val_read(v, fast.kinds + i, &bits, 1);
		if (!err && kind_of(bits) == PY_LOCAL_LOCAL) {
			*ret = (uint32_t)i;
			return NULL;
		}
	}
	return err ? err : no_slot(name);
}
