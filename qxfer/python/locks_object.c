/* SPDX-License-Identifier: MIT */
/*
 * Lock objects, and what leads to one.
 *
 * Modules/_threadmodule.c: lockobject is a pointer to a sem_t (to 3.12, 3.13.0), or
 * the PyMutex itself; rlockobject the same with the owner's ident and how often it
 * was taken.  Which of the two is told by the size.  Python/thread_pthread.h: on
 * Linux a PyThread_type_lock is a sem_t, of which glibc and musl have the value, 0 or
 * 1, in its first word, and that is what waiters wait on.  musl marks a 0 that somebody
 * waits for: by the highest bit, before 1.2.4 by all bits.
 */
#include "qxfer/python/locks_priv.h"

#include <string.h>

#include "qxfer/python/text.h"

#define MRO_MAX	  64u
#define NAME_MAX  128u
#define ATTRS_MAX 100u
#define TEXT_MAX  200u

static bool word(struct py_locker *l, uint64_t addr, uint32_t offset, uint64_t *ret)
{
	struct err *err = val_word(&l->v, addr, offset, ret);
	err_drop(err);
	return !err;
}

static const struct py_type *type_of(struct py_locker *l, uint64_t addr)
{
	const struct py_type *t = NULL;
	if (!addr || addr % 8)
		return NULL;
	struct err *err = val_type_of(&l->v, addr, &t);
	err_drop(err);
	return err ? NULL : t;
}

/* ---- classes ---- */

static bool is_named(const struct py_type *t, const char *name)
{
	return strcmp(t->tp_name, name) == 0 || strcmp(t->name, name) == 0;
}

bool lck_is(struct py_locker *l, uint64_t addr, const char *name)
{
	const struct py_type *t = type_of(l, addr), *base;
	uint64_t n, type;
	if (!t)
		return false;
	if (is_named(t, name))
		return true;
	if (!t->mro || !word(l, t->mro, l->w.off->object.var_size, &n))
		return false;
	for (uint64_t i = 1; i < n && i < MRO_MAX; i++) {
		if (!word(l, t->mro + 8 * i, l->v.lay.tuple.items, &type))
			return false;
		struct err *err = val_type(&l->v, type, &base);
		if (err) {
			err_drop(err);
			return false;
		}
		if (is_named(base, name))
			return true;
	}
	return false;
}

uint64_t lck_attr(struct py_locker *l, uint64_t addr, const char *name)
{
	uint64_t value = 0;
	const struct py_type *t = type_of(l, addr);
	struct err *err = t ? val_attr(&l->v, addr, t, name, &value) : NULL;
	err_drop(err);
	return err ? 0 : value;
}

void lck_attrs(struct py_locker *l, uint64_t addr, bool (*visit)(void *arg, uint64_t value),
	       void *arg)
{
	const struct py_type *t = type_of(l, addr);
	uint64_t key = 0, value = 0;
	struct val_dict d;
	bool has = false;
	if (!t || (t->kind && strcmp(t->kind->name, "object") != 0))
		return;
	struct err *err = val_attrs_open(&l->v, addr, t, &d, &has);
	for (uint32_t i = 0; !err && has && i < ATTRS_MAX; i++) {
		err = val_dict_next(&l->v, &d, &key, &value);
		if (err || !key || !visit(arg, value))
			break;
	}
	err_drop(err);
}

/* ---- locks ---- */

/*
 * An object that was freed keeps its type; in place of its reference count there is
 * then a link to the next free block, or nothing.
 */
static bool is_alive(struct py_locker *l, uint64_t addr)
{
	uint64_t count;
	if (l->w.off->build & PY_BUILD_FREE_THREADED)
		return true;
	return word(l, addr, l->w.off->object.type - 8, &count) && count && count >> 32 == 0;
}

/* Fills in the word that waiters of @ret wait on, and whether it says locked. */
static bool read_word(struct py_locker *l, struct lck_lock *ret, bool mutex)
{
	uint64_t header = l->w.off->object.var_size;
	uint32_t value = 0;
	ret->word = ret->object + header;
	if (!mutex && (!word(l, ret->object, (uint32_t)header, &ret->word) || !ret->word))
		return false;
	struct err *err = val_read(&l->v, ret->word, &value, mutex ? 1 : sizeof(value));
	ret->locked = mutex ? value & 1 : value == 0 || value == 1u << 31 || value == UINT32_MAX;
	err_drop(err);
	return !err;
}

bool lck_lock(struct py_locker *l, uint64_t addr, struct lck_lock *ret)
{
	const struct py_type *t = type_of(l, addr);
	uint64_t header = l->w.off->object.var_size;
	*ret = (struct lck_lock){ .object = addr };
	if (!t || !t->kind || !is_alive(l, addr))
		return false;
	ret->rlock = strcmp(t->kind->name, "_thread.RLock") == 0;
	if (!ret->rlock && strcmp(t->kind->name, "_thread.lock") != 0)
		return false;
	/* What a class adds to the size is not known: then the layout's row decides. */
	uint64_t size = t->exact ? (uint64_t)t->basicsize : l->v.lay.rlock.size;
	if (ret->rlock && !word(l, addr, (uint32_t)header + 8, &ret->owner))
		return false;
	return read_word(l, ret, size - header == (ret->rlock ? 24 : 8));
}

bool lck_condition_lock(struct py_locker *l, uint64_t addr, struct lck_lock *ret)
{
	return lck_is(l, addr, "Condition") && lck_lock(l, lck_attr(l, addr, "_lock"), ret);
}

/* ---- methods ---- */

static bool is_str(struct py_locker *l, uint64_t addr, const char *text)
{
	return addr && addr % 8 == 0 && val_str_is(&l->v, addr, text);
}

/* Of a function written in Python the name in its code, which nobody can change. */
static bool is_function(struct py_locker *l, uint64_t addr, const char *name)
{
	uint64_t code, text;
	return word(l, addr, l->v.lay.function.code, &code) &&
	       word(l, code, l->w.off->code.name, &text) && is_str(l, text, name);
}

/*
 * Names of methods of C's are constants of its file, and those are not in a core; but the
 * class has descriptors by name, with d_method behind d_name and d_qualname.
 */
static bool is_method_of(struct py_locker *l, uint64_t self, uint64_t def, const char *name)
{
	const struct py_type *t = type_of(l, self);
	uint64_t descr = 0, of;
	struct err *err = t && t->dict ? val_dict_find(&l->v, t->dict, name, &descr) : NULL;
	err_drop(err);
	return !err && descr && word(l, descr, l->lay->descr.name + 16, &of) && of == def;
}

/* PyMethodDef.ml_name is its first member. */
static bool is_builtin(struct py_locker *l, uint64_t addr, const char *name)
{
	char text[32] = "";
	uint64_t def, at, self;
	size_t len = strlen(name) + 1;
	if (len > sizeof(text) || !word(l, addr, l->v.lay.builtin.def, &def))
		return false;
	bool there = word(l, def, 0, &at);
	struct err *err = there ? val_read(&l->v, at, text, len) : NULL;
	there = there && !err;
	err_drop(err);
	if (there)
		return memcmp(text, name, len) == 0;
	return word(l, addr, l->v.lay.builtin.self, &self) && is_method_of(l, self, def, name);
}

uint64_t lck_bound_self(struct py_locker *l, uint64_t addr, const char *name)
{
	const struct py_type *t = type_of(l, addr);
	uint64_t func, self;
	if (!t)
		return 0;
	if (strcmp(t->tp_name, "method") == 0)
		return word(l, addr, l->v.lay.method.func, &func) &&
				       lck_is_unbound(l, func, name) &&
				       word(l, addr, l->v.lay.method.self, &self)
			       ? self
			       : 0;
	if (strncmp(t->tp_name, "builtin_", 8) != 0)
		return 0;
	return is_builtin(l, addr, name) && word(l, addr, l->v.lay.builtin.self, &self) ? self : 0;
}

bool lck_is_unbound(struct py_locker *l, uint64_t addr, const char *name)
{
	const struct py_type *t = type_of(l, addr);
	uint64_t text;
	if (!t)
		return false;
	if (strcmp(t->tp_name, "function") == 0)
		return is_function(l, addr, name);
	return strcmp(t->tp_name, "method_descriptor") == 0 &&
	       word(l, addr, l->lay->descr.name, &text) && is_str(l, text, name);
}

/* ---- texts ---- */

static const char *keep(struct py_locker *l, struct buf *b)
{
	const char *text = b->failed ? NULL : arena_strdup(&l->out->arena, b->data, b->len);
	return text;
}

const char *lck_text(struct py_locker *l, uint64_t addr)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct lck_lock lock;
	uint32_t reads = l->v.reads;
	if (lck_lock(l, addr, &lock)) {
		py_value_put(&l->v, addr, &b);
	} else {
		buf_puts(&b, "<");
		py_value_type(&l->v, addr, &b);
		buf_printf(&b, " at 0x%llx>", (unsigned long long)addr);
	}
	l->v.reads = reads > 16 ? reads - 16 : 0; /* those two begin to count anew */
	return keep(l, &b);
}

const char *lck_str(struct py_locker *l, uint64_t addr)
{
	_cleanup_buf_ struct buf b = { 0 };
	if (!is_str(l, addr, "") && !lck_is(l, addr, "str"))
		return "";
	struct err *err = py_text_str(l->w.mem, l->w.off, addr, TEXT_MAX, &b);
	if (err)
		buf_clear(&b);
	err_drop(err);
	return keep(l, &b);
}
