/* SPDX-License-Identifier: MIT */
#include "qxfer/python/called.h"

#include <string.h>

#include "qxfer/python/mixed.h"
#include "qxfer/python/stack.h"
#include "qxfer/python/state.h"
#include "qxfer/python/text.h"
#include "qxfer/python/values_priv.h"

#define SLOTS_MAX  256u /* of a frame's stack; what lies above is not looked at */
#define VECTORCALL 32u	/* of all that have it, behind the object's head */
#define FIRST_METH 8u	/* PyMethodDef { ml_name, ml_meth, .. }, Include/methodobject.h */

/* How objects that are made of a function of C hold it. */
struct callable {
	const char *type; /* its tp_name */
	/*
	 * Where behind the object's head the object is that it is bound to; NO_SELF: it
	 * comes beside it on the stack.
	 */
	uint32_t self;
	uint32_t def; /* where a pointer to its PyMethodDef is; NO_DEF: the type's tp_call it is */
};

#define NO_SELF UINT32_MAX
#define NO_DEF	UINT32_MAX

/*
 * PyCFunctionObject { head, m_ml, m_self, .. }, PyMethodDescrObject { head, d_type, d_name,
 * d_qualname, d_method, .. }, wrapperobject { head, descr, self } of
 * Objects/descrobject.c: alike from 3.6 to 3.15.
 */
static const struct callable callables[] = {
	{ "builtin_function_or_method", 8, 0 },
	{ "builtin_method", 8, 0 },
	{ "method_descriptor", NO_SELF, 24 },
	{ "method-wrapper", 8, NO_DEF },
};

static const struct callable *callable_of(struct py_values *v, uint64_t object)
{
	const struct py_type *t;
	struct err *err = val_type_of(v, object, &t);
	for (size_t i = 0; !err && i < sizeof(callables) / sizeof(callables[0]); i++)
		if (strcmp(t->tp_name, callables[i].type) == 0)
			return &callables[i];
	err_drop(err);
	return NULL;
}

/* Where the function of C begins; 0: not known. */
static uint64_t function_of(struct py_values *v, uint64_t object, const struct callable *c)
{
	uint64_t def = 0, function = 0;
	const struct py_type *t;
	struct err *err;
	if (c->def == NO_DEF) {
		/* tp_repr, tp_as_number, tp_as_sequence, tp_as_mapping, tp_hash, tp_call */
		err = val_type_of(v, object, &t);
		if (!err)
			err = val_word(v, t->addr + 40, v->lay.type.repr, &function);
	} else {
		err = val_field(v, object, c->def, &def);
		if (!err)
			err = val_word(v, def, FIRST_METH, &function);
	}
	if (err)
		function = 0;
	err_drop(err);
	return function;
}

struct inner {
	const struct py_mixed *mixed;
	size_t first, end; /* its items */
};

/* Whether one of the C frames runs the function at @start. */
static bool runs(const struct inner *in, uint64_t start)
{
	for (size_t i = in->first; i < in->end; i++)
		if (in->mixed->native.frames[in->mixed->items[i].index].start == start)
			return true;
	return false;
}

struct called {
	uint64_t object, self;
};

/* What slot @i of a stack of @n calls; false: nothing that these C frames run. */
static bool read_slot(struct py_values *v, const uint64_t *slot, size_t n, size_t i,
		      const struct inner *in, struct called *ret)
{
	v->reads = v->limits.reads;
	const struct callable *c = slot[i] % 8 == 0 && slot[i] ? callable_of(v, slot[i]) : NULL;
	uint64_t start = c ? function_of(v, slot[i], c) : 0;
	if (!start || !runs(in, start))
		return false;
	*ret = (struct called){ .object = slot[i] };
	if (c->self == NO_SELF)
		ret->self = i + 1 < n ? slot[i + 1] : 0;
	else
		err_drop(val_field(v, slot[i], c->self, &ret->self));
	return true;
}

/*
 * The wrapper of C that the evaluation loop calls such an object by, which its field
 * vectorcall points to from 3.8 on; 0: none is known.
 */
static uint64_t wrapper_of(struct py_values *v, uint64_t object, const struct callable *c)
{
	uint64_t wrapper = 0;
	if (c->def == NO_DEF || v->off->version_hex < 0x03080000)
		return 0;
	struct err *err = val_field(v, object, VECTORCALL, &wrapper);
	if (err)
		wrapper = 0;
	err_drop(err);
	return wrapper;
}

/* Where the function begins that the evaluation loop called, but for PyObject_Vectorcall(). */
static uint64_t outermost(const struct inner *in)
{
	for (size_t i = in->end; i-- > in->first;) {
		const struct native_frame *f = &in->mixed->native.frames[in->mixed->items[i].index];
		if (!f->symbol || !strstr(f->symbol, "PyObject_Vectorcall"))
			return f->start;
	}
	return 0;
}

/*
 * A function may have gone on by a jump, so that no frame of it is left.  Its wrapper's
 * is, and what it wraps is one of the objects on the stack that have this wrapper: if
 * there is one only, that.
 */
static void find_wrapped(struct py_values *v, const uint64_t *slot, size_t n,
			 const struct inner *in, struct py_frame *f)
{
	uint64_t start = outermost(in);
	struct called found = { 0 };
	for (size_t i = 0; start && i < n; i++) {
		v->reads = v->limits.reads;
		const struct callable *c =
			slot[i] % 8 == 0 && slot[i] ? callable_of(v, slot[i]) : NULL;
		if (!c || slot[i] == found.object || wrapper_of(v, slot[i], c) != start)
			continue;
		if (found.object)
			return;
		found.object = slot[i];
		if (c->self != NO_SELF)
			err_drop(val_field(v, slot[i], c->self, &found.self));
	}
	f->called = found.object;
	f->called_self = found.self;
}

static void find(struct py_values *v, const struct py_lock_layout *lay, struct py_frame *f,
		 const struct inner *in)
{
	uint64_t stack, slot[SLOTS_MAX];
	uint32_t n;
	struct called c;
	v->reads = v->limits.reads;
	if (f->corrupt || f->incomplete || !py_stack_find(v, lay, f, &stack, &n) || !n)
		return;
	n = n < SLOTS_MAX ? n : SLOTS_MAX;
	struct err *err = val_read(v, stack, slot, 8 * (size_t)n);
	for (uint32_t i = 0; !err && i < n; i++)
		slot[i] &= ~(uint64_t)v->off->code_tag;
	for (uint32_t i = 0; !err && i < n; i++) {
		if (!read_slot(v, slot, n, i, in, &c))
			continue;
		/* Several of one function: one is called, the others wait or are old. */
		bool alone = !f->called || (f->called == c.object && f->called_self == c.self);
		f->called_self = alone ? c.self : 0;
		f->called = c.object;
	}
	if (!err && !f->called)
		find_wrapped(v, slot, n, in, f);
	err_drop(err);
}

static void find_all(struct python *py, struct py_values *v, const struct py_lock_layout *lay,
		     const struct py_mixed *mixed)
{
	struct inner in = { .mixed = mixed };
	for (size_t i = 0; i < mixed->n; i++) {
		const struct py_mixed_item *item = &mixed->items[i];
		if (item->kind == PY_MIXED_PYTHON) {
			in.end = i;
			struct py_frame *f = &py->snap.frames[item->index];
			f->called = f->called_self = 0;
			if (in.end > in.first)
				find(v, lay, f, &in);
		}
		if (item->kind != PY_MIXED_NATIVE)
			in.first = i + 1;
	}
}

struct err *python_find_called(struct python *py, const struct space *s, pid_t tid)
{
	struct py_values v = { 0 };
	struct py_mixed mixed;
	if (s->tries || !tid || !py->found)
		return NULL;
	struct err *err = python_mixed(py, s, tid, &mixed);
	if (!err && !mixed.apart)
		err = python_values(py, s, NULL, &v);
	const struct py_lock_layout *lay = !err && v.off ? py_lock_layout_find(v.off) : NULL;
	if (lay)
		find_all(py, &v, lay, &mixed);
	py_values_end(&v);
	return err;
}

/* ---- as text ---- */

static void put_name(struct py_values *v, uint64_t object, const struct callable *c)
{
	uint64_t def = 0, name = 0;
	char text[100] = "";
	struct err *err = val_field(v, object, c->def, &def);
	if (!err)
		err = val_word(v, def, 0, &name);
	if (!err && !mem_read_some(v->mem, name, text, sizeof(text) - 1))
		err = err_new(ERR_FAULT, "no name");
	if (err)
		buf_puts(v->out, "?");
	else
		py_text_put_bytes(v->out, (const uint8_t *)text, strlen(text));
	err_drop(err);
}

void py_called_put(struct py_values *v, const struct py_frame *f, struct buf *out)
{
	const struct py_type *of;
	struct err *err = NULL;
	val_begin(v, out);
	const struct callable *c = callable_of(v, f->called);
	if (!c || c->def == NO_DEF) {
		py_value_put(v, f->called, out);
		return;
	}
	buf_puts(out, "<built-in method ");
	put_name(v, f->called, c);
	if (f->called_self)
		err = val_type_of(v, f->called_self, &of);
	if (f->called_self && !err) {
		buf_puts(out, " of ");
		buf_puts(out, of->tp_name);
		buf_puts(out, " object at remote ");
		val_address(v, f->called_self);
	}
	buf_puts(out, ">");
	err_drop(err);
}
