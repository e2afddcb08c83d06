/* SPDX-License-Identifier: MIT */
/*
 * The names that the threading module gives to threads: sys.modules['threading'],
 * its _active, which is a dict of Thread objects by ident, and their _name.
 *
 * CPython 3.6 to 3.15: Lib/threading.py.  A name is a comfort: whatever is not as
 * expected just has none.
 */
#include "qxfer/python/lookup.h"
#include "qxfer/python/state.h"
#include "qxfer/python/text.h"

#define THREADS_MAX 1000u /* with more of them nobody reads the names */
#define NAME_MAX    128u

static bool read_ptr(struct py_walker *w, uint64_t addr, uint64_t *ret)
{
	struct err *err = mem_ptr(w->mem, addr, ret);
	err_drop(err);
	return !err;
}

static const char *read_name(struct py_walker *w, uint64_t thread)
{
	const struct py_peek p = { w->mem, w->off };
	struct buf *b = &w->py->codes.scratch;
	struct py_dict attributes;
	uint64_t name;
	if (!py_dict_open_attributes(&p, thread, &attributes) ||
	    !py_dict_find(&p, &attributes, "_name", &w->py->names.name, &name))
		return NULL;
	buf_clear(b);
	struct err *err = py_text_str(w->mem, w->off, name, NAME_MAX, b);
	err_drop(err);
	return err || b->failed ? NULL : arena_strdup(&w->py->texts, b->data, b->len);
}

/* threading._active */
static bool open_active(struct py_walker *w, const struct py_interp *in, struct py_dict *ret)
{
	const struct py_offsets *off = w->off;
	const struct py_peek p = { w->mem, off };
	struct py_names *names = &w->py->names;
	struct py_dict modules, module;
	uint64_t addr, dict;
	return off->interp.modules != PY_NONE &&
	       read_ptr(w, in->addr + off->interp.modules, &addr) &&
	       py_dict_open(&p, addr, &modules) &&
	       py_dict_find(&p, &modules, "threading", &names->threading, &addr) &&
	       read_ptr(w, addr + off->module.dict, &dict) && py_dict_open(&p, dict, &module) &&
	       py_dict_find(&p, &module, "_active", &names->active, &addr) &&
	       py_dict_open(&p, addr, ret);
}

static void name_thread(struct py_walker *w, const struct py_interp *in, uint64_t ident,
			uint64_t object)
{
	struct py_thread *t = &w->py->snap.threads[in->first_thread];
	for (size_t i = 0; i < in->nthreads; i++)
		if (t[i].ident == ident && !t[i].name)
			t[i].name = read_name(w, object);
}

void py_names_read(struct py_walker *w, const struct py_interp *in)
{
	const struct py_peek p = { w->mem, w->off };
	struct py_dict active;
	uint64_t key, value, ident;
	if (!in->nthreads || in->nthreads > THREADS_MAX || w->off->keys.indices == PY_NONE ||
	    !open_active(w, in, &active) || active.n > 2ul * THREADS_MAX)
		return;
	for (size_t i = 0; i < active.n; i++)
		if (py_dict_entry(&p, &active, i, &key, &value) && key && value &&
		    py_peek_int(&p, key, &ident))
			name_thread(w, in, ident, value);
}
