/* SPDX-License-Identifier: MIT */
/*
 * From sys.modules to the code objects of functions: Objects/funcobject.c (the code, and
 * the dict that staticmethod and classmethod wrap with), Objects/descrobject.c
 * (property), Objects/codeobject.c (co_consts holds the functions inside).
 */
#include "qxfer/python/functions.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/python/lookup.h"
#include "qxfer/python/state.h"
#include "qxfer/python/values_priv.h"

#define NEST_MAX  8u /* classes inside classes, wrappers around wrappers */
#define ITEMS_MAX 1000000u

/* PyCodeObject.co_consts, beside the fields of struct py_offsets. */
static uint32_t consts_offset(uint32_t version_hex)
{
	return version_hex < 0x03080000 ? 48u : version_hex < 0x030b0000 ? 56u : 24u;
}

struct finder {
	struct python *py;
	struct py_values v;
	bool (*visit)(void *arg, struct py_code *code);
	void *arg;
	uint64_t *seen; /* open addressing; a power of two */
	size_t nseen, cap;
	size_t items; /* looked at */
	bool done;
};

static struct err *grow_seen(struct finder *f)
{
	size_t cap = f->cap ? f->cap * 2 : 1024;
	uint64_t *fresh = calloc(cap, sizeof(*fresh));
	if (!fresh)
		return &err_nomem;
	for (size_t i = 0; i < f->cap; i++) {
		size_t k = (f->seen[i] >> 4) * 0x9e3779b97f4a7c15ull >> 32 & (cap - 1);
		while (f->seen[i] && fresh[k])
			k = (k + 1) & (cap - 1);
		if (f->seen[i])
			fresh[k] = f->seen[i];
	}
	free(f->seen);
	f->seen = fresh;
	f->cap = cap;
	return NULL;
}

/* False: it was seen before. */
static struct err *note(struct finder *f, uint64_t addr, bool *fresh)
{
	*fresh = false;
	if ((f->nseen + 1) * 2 > f->cap) {
		struct err *err = grow_seen(f);
		if (err)
			return err;
	}
	size_t k = (addr >> 4) * 0x9e3779b97f4a7c15ull >> 32 & (f->cap - 1);
	while (f->seen[k] && f->seen[k] != addr)
		k = (k + 1) & (f->cap - 1);
	if (f->seen[k])
		return NULL;
	f->seen[k] = addr;
	f->nseen++;
	*fresh = true;
	return NULL;
}

static uint64_t word(struct finder *f, uint64_t addr, uint32_t at)
{
	uint64_t v = 0;
	if (at == PY_NONE)
		return 0;
	struct err *err = mem_ptr(f->v.mem, addr + at, &v);
	err_drop(err);
	return err ? 0 : v;
}

static struct err *take_code(struct finder *f, uint64_t addr, unsigned int depth);

static struct err *take_consts(struct finder *f, uint64_t code, unsigned int depth)
{
	uint64_t tuple = word(f, code, consts_offset(f->v.off->version_hex));
	uint64_t n = tuple ? word(f, tuple, f->v.off->object.var_size) : 0;
	struct err *err = NULL;

	for (uint64_t i = 0; i < n && i < PY_FUNCTIONS_MAX && !err && !f->done; i++) {
		uint64_t item = word(f, tuple + 8 * i, f->v.lay.tuple.items);
		if (item && word(f, item, f->v.off->object.type) == f->py->codes.code_type)
			err = take_code(f, item, depth + 1);
	}
	return err;
}

static struct err *take_code(struct finder *f, uint64_t addr, unsigned int depth)
{
	struct py_code *code;
	bool fresh;

	if (f->done || depth > PY_VALUE_NEST || f->nseen > PY_FUNCTIONS_MAX)
		return NULL;
	struct err *err = note(f, addr, &fresh);
	if (err || !fresh)
		return err;
	err = py_codes_get(&f->py->codes, f->v.mem, f->v.off, addr, &code);
	if (err)
		return err;
	if (code->corrupt || code->absent)
		return NULL;
	if (!code->trampoline && !f->visit(f->arg, code))
		f->done = true;
	return take_consts(f, addr, depth);
}

static struct err *take_object(struct finder *f, uint64_t addr, unsigned int depth);

/* What a class or module has in its dict; a damaged one is left out from there on. */
static struct err *take_dict(struct finder *f, uint64_t dict, unsigned int depth)
{
	struct val_dict d;
	uint64_t key, value;

	if (!dict)
		return NULL;
	struct err *err = val_dict_open(&f->v, dict, &d);
	while (!err && !f->done && f->items++ < ITEMS_MAX) {
		f->v.reads = f->v.limits.reads;
		err = val_dict_next(&f->v, &d, &key, &value);
		if (err || !key)
			break;
		if (!value)
			continue;
		err = take_object(f, value, depth);
		if (err && err->code == ERR_NOMEM)
			return err;
		err_drop(err);
		err = NULL;
	}
	if (err && err->code == ERR_NOMEM)
		return err;
	err_drop(err);
	return NULL;
}

static bool is_type_named(struct finder *f, uint64_t addr, const char *name)
{
	f->v.reads = f->v.limits.reads;
	return val_is(&f->v, addr, name);
}

/*
 * staticmethod, classmethod: the callable is behind the header; property: getter, setter,
 * deleter are.  All are pointers, and what they point to says itself what it is.
 */
static struct err *take_wrapped(struct finder *f, uint64_t addr, unsigned int depth)
{
	struct err *err = NULL;
	for (uint32_t i = 0; i < 3 && !err; i++) {
		uint64_t of = word(f, addr, f->v.off->object.var_size + 8 * i);
		uint64_t type = of ? word(f, of, f->v.off->object.type) : 0;
		if (type && is_type_named(f, of, "function"))
			err = take_object(f, of, depth + 1);
	}
	return err;
}

static bool is_wrapper(struct finder *f, uint64_t addr)
{
	static const char *const names[] = { "staticmethod", "classmethod", "property" };
	const struct py_type *t;
	f->v.reads = f->v.limits.reads;
	struct err *err = val_type_of(&f->v, addr, &t);
	bool found = false;
	for (size_t i = 0; !err && i < sizeof(names) / sizeof(names[0]); i++)
		found |= t->name && strcmp(t->name, names[i]) == 0;
	err_drop(err);
	return found;
}

static struct err *take_object(struct finder *f, uint64_t addr, unsigned int depth)
{
	bool fresh;

	if (depth > NEST_MAX || f->done)
		return NULL;
	if (is_type_named(f, addr, "function")) {
		uint64_t code = word(f, addr, f->v.lay.function.code);
		return code ? take_code(f, code, 0) : NULL;
	}
	if (is_type_named(f, addr, "type")) {
		struct err *err = note(f, addr, &fresh);
		return err || !fresh ? err
				     : take_dict(f, word(f, addr, f->v.lay.type.dict), depth + 1);
	}
	return is_wrapper(f, addr) ? take_wrapped(f, addr, depth) : NULL;
}

static struct err *take_modules(struct finder *f, uint64_t interp)
{
	struct val_dict d;
	uint64_t key, module;
	uint64_t modules = word(f, interp, f->v.off->interp.modules);

	if (!modules)
		return NULL;
	f->v.reads = f->v.limits.reads;
	struct err *err = val_dict_open(&f->v, modules, &d);
	while (!err && !f->done) {
		f->v.reads = f->v.limits.reads;
		err = val_dict_next(&f->v, &d, &key, &module);
		if (err || !key)
			break;
		if (module && is_type_named(f, module, "module"))
			err = take_dict(f, word(f, module, f->v.lay.module.dict), 0);
	}
	return err;
}

static struct err *find(struct finder *f, const struct py_snapshot *snap)
{
	struct err *err = NULL;
	for (size_t i = 0; i < snap->nframes && !err; i++)
		if (!snap->frames[i].corrupt)
			err = take_code(f, snap->frames[i].code_addr, 0);
	for (size_t i = 0; i < snap->ninterps && !err; i++) {
		err = take_modules(f, snap->interps[i].addr);
		if (err && err->code != ERR_NOMEM) {
			err_drop(
				err); /* its modules are not to be had now; what was found counts */
			err = NULL;
		}
	}
	return err;
}

struct err *python_functions(struct python *py, const struct space *space,
			     bool (*visit)(void *arg, struct py_code *code), void *arg)
{
	const struct py_limits limits = { .reads = 100000, .depth = 1 };
	const struct py_snapshot *snap;
	struct finder f = { .py = py, .visit = visit, .arg = arg };
	struct err *err = python_walk(py, space, NULL, &snap);
	if (!err)
		err = python_values(py, space, &limits, &f.v);
	if (!err)
		err = find(&f, snap);
	py_values_end(&f.v);
	free(f.seen);
	return err;
}

/* ---- how much there is ---- */

static uint64_t size_of_dict(const struct py_peek *p, uint64_t dict)
{
	struct py_dict d;
	return dict && py_dict_open(p, dict, &d) ? d.n + 1 : 0;
}

static uint64_t size_of_modules(const struct py_peek *p, uint64_t modules, uint32_t module_dict)
{
	uint64_t key, module, dict, size = 0;
	struct py_dict d;

	if (module_dict == PY_NONE || !py_dict_open(p, modules, &d))
		return 0;
	for (size_t i = 0; i < d.n; i++) {
		if (!py_dict_entry(p, &d, i, &key, &module) || !module)
			continue;
		struct err *err = mem_ptr(p->mem, module + module_dict, &dict);
		size += err ? 0 : size_of_dict(p, dict);
		err_drop(err); /* no module */
	}
	return size;
}

struct err *python_namespaces(struct python *py, const struct space *space, uint64_t *ret)
{
	const struct py_walk look = { .in_passing = true, .max_frames = 1 };
	const struct py_snapshot *snap;
	struct py_layout lay;
	struct err *err = python_walk(py, space, &look, &snap);
	if (!err)
		err = py_layout_find(space->mem, py->rt.addr, &py->rt.off, &lay);
	if (err)
		return err;
	const struct py_peek p = { space->mem, &py->rt.off };
	*ret = 0;
	for (size_t i = 0; i < snap->ninterps; i++) {
		uint64_t modules;
		err = mem_ptr(space->mem, snap->interps[i].addr + py->rt.off.interp.modules,
			      &modules);
		if (!err)
			*ret += size_of_modules(&p, modules, lay.module.dict);
		err_drop(err); /* then it has none yet */
	}
	return NULL;
}

struct err *python_code(struct python *py, const struct space *space, uint64_t addr,
			struct py_code **ret)
{
	const struct py_runtime *rt;
	struct err *err = python_runtime(py, space, &rt);
	return err ? err : py_codes_get(&py->codes, space->mem, &rt->off, addr, ret);
}

void py_code_lines(struct py_code *code, void (*row)(void *arg, uint32_t offset, int32_t line),
		   void *arg)
{
	struct py_position at;
	int32_t line = -1;

	for (uint32_t i = 0; i < code->bytecode_len; i += 2) {
		bool has = py_code_position(code, (int32_t)i, &at);
		if (has && at.line != line)
			row(arg, i, at.line);
		line = has ? at.line : -1;
	}
}
