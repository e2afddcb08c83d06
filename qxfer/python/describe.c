/* SPDX-License-Identifier: MIT */
/*
 * CPython 3.11 on keeps the names of a function's variables in co_localsplusnames, its
 * arguments first; to 3.10 they are in co_varnames, co_cellvars and co_freevars
 * (Include/cpython/code.h, Include/code.h).  How many are arguments stands in ints near
 * co_firstlineno, in front of it: argcount, posonlyargcount (3.8 on), kwonlyargcount,
 * nlocals (to 3.10), stacksize, flags (to 3.10).
 */
#include "qxfer/python/describe.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/python/locals.h"
#include "qxfer/python/state.h"
#include "qxfer/python/text.h"
#include "qxfer/python/values_layout.h"

#define NAME_CHARS    200u  /* as locals.c */
#define VARIABLES_MAX 1000u /* of one code object; further ones are not shown */
#define DOUBLES_MAX   200u /* variables among which doubles are looked for: it takes their square */

#define CO_VARARGS     0x04u
#define CO_VARKEYWORDS 0x08u

struct describer {
	struct python *py;
	struct mem *mem;
	const struct py_offsets *off;
	struct py_layout lay;
	struct arena *arena;
	struct buf scratch;
	uint64_t addr;
	struct synth_variable *vars;
	size_t nvars, cap;
};

struct row_list {
	struct arena *arena;
	struct synth_row *row;
	size_t n, cap;
	bool failed;
};

static void add_row(void *arg, uint32_t start, uint32_t end, int32_t line)
{
	struct row_list *l = arg;
	if (l->n && l->row[l->n - 1].line == line && l->row[l->n - 1].end == start) {
		l->row[l->n - 1].end = end;
		return;
	}
	if (l->n == SYNTH_ROWS_MAX || l->failed)
		return;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 32;
		struct synth_row *more = arena_alloc(l->arena, cap * sizeof(*more));
		l->failed = !more;
		if (!more)
			return;
		if (l->n)
			memcpy(more, l->row, l->n * sizeof(*more));
		l->row = more;
		l->cap = cap;
	}
	l->row[l->n++] = (struct synth_row){ start, end, line };
}

static struct err *put_rows(struct describer *d, const struct py_code *code, struct synth_code *ret)
{
	struct row_list l = { .arena = d->arena };
	py_lines_visit(code, ret->len, add_row, &l);
	ret->rows = l.row;
	ret->nrows = l.n;
	return l.failed ? &err_nomem : NULL;
}

/* ---- variables ---- */

struct tuple {
	uint64_t items, n;
};

static struct err *open_tuple(const struct describer *d, uint32_t offset, struct tuple *ret)
{
	uint64_t tuple;

	if (offset == PY_NONE || d->lay.tuple.items == PY_NONE)
		return err_new(ERR_BAD_DATA, "names of variables are not known here");
	struct err *err = mem_ptr(d->mem, d->addr + offset, &tuple);
	if (!err)
		err = mem_ptr(d->mem, tuple + d->off->object.var_size, &ret->n);
	if (!err && ret->n > 1u << 20)
		err = err_new(ERR_BAD_DATA, "%llu variables are implausible",
			      (unsigned long long)ret->n);
	ret->items = tuple + d->lay.tuple.items;
	return err;
}

static struct err *add_variable(struct describer *d, uint64_t name, bool argument)
{
	buf_clear(&d->scratch);
	struct err *err = py_text_str(d->mem, d->off, name, NAME_CHARS, &d->scratch);
	if (err)
		return err;
	char *text = arena_strdup(d->arena, d->scratch.data, d->scratch.len);
	if (!text || d->scratch.failed)
		return &err_nomem;
	d->vars[d->nvars++] = (struct synth_variable){ text, argument };
	return NULL;
}

/* The first @args of them are arguments. */
static struct err *add_variables(struct describer *d, const struct tuple *t, uint64_t args)
{
	struct err *err = NULL;
	for (uint64_t i = 0; !err && i < t->n && i < PY_LOCALS_MAX && d->nvars < d->cap; i++) {
		uint64_t name;
		err = mem_ptr(d->mem, t->items + 8 * i, &name);
		if (!err)
			err = add_variable(d, name, i < args);
	}
	return err;
}

static struct err *read_int(const struct describer *d, uint32_t offset, uint32_t *ret)
{
	*ret = 0;
	return mem_read(d->mem, d->addr + offset, ret, sizeof(*ret));
}

static struct err *count_arguments(const struct describer *d, uint64_t *ret)
{
	uint16_t minor = PY_MINOR(d->off->version_hex);
	uint32_t at = d->off->code.first_line;
	uint32_t flags_at = minor >= 0x030b ? d->lay.code.flags : at - 4;
	uint32_t args_at = minor >= 0x030b ? at - 16 : minor >= 0x0308 ? at - 24 : at - 20;
	uint32_t kwonly_at = minor >= 0x030b ? at - 8 : at - 16;
	uint32_t flags = 0, args, kwonly;

	struct err *err = flags_at == PY_NONE ? NULL : read_int(d, flags_at, &flags);
	if (!err)
		err = read_int(d, args_at, &args);
	if (!err)
		err = read_int(d, kwonly_at, &kwonly);
	if (!err)
		*ret = (uint64_t)args + kwonly + !!(flags & CO_VARARGS) +
		       !!(flags & CO_VARKEYWORDS);
	return err;
}

/* To 3.10 an argument that is a cell has both; the cell is what counts, once. */
static struct err *list_old(struct describer *d, struct tuple t[3])
{
	struct err *err = open_tuple(d, d->lay.code.varnames, &t[0]);
	if (!err)
		err = open_tuple(d, d->lay.code.cellvars, &t[1]);
	return err ? err : open_tuple(d, d->lay.code.freevars, &t[2]);
}

static struct err *list_variables(struct describer *d)
{
	struct tuple t[3] = { { 0 } };
	uint64_t args;
	bool old = d->off->lasti_unit != 0;
	struct err *err = old ? list_old(d, t) : open_tuple(d, d->lay.code.localsplusnames, &t[0]);

	if (!err)
		err = count_arguments(d, &args);
	if (err)
		return err;
	uint64_t n = t[0].n + t[1].n + t[2].n;
	d->cap = n < VARIABLES_MAX ? (size_t)n : VARIABLES_MAX;
	d->vars = arena_alloc(d->arena, (d->cap + 1) * sizeof(*d->vars));
	if (!d->vars)
		return &err_nomem;
	for (size_t i = 0; !err && i < 3; i++)
		err = add_variables(d, &t[i], i ? 0 : args);
	return err;
}

static bool is_known(const struct synth_variable *vars, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(vars[i].name, name) == 0)
			return true;
	return false;
}

/* Of two with one name the first stays: an argument that is a cell, to 3.10. */
static void drop_doubles(struct describer *d)
{
	size_t n = 0;
	for (size_t i = 0; i < d->nvars; i++)
		if (!is_known(d->vars, n, d->vars[i].name))
			d->vars[n++] = d->vars[i];
	d->nvars = n;
}

static struct err *put_variables(struct describer *d, struct synth_code *ret)
{
	struct err *err = py_layout_find(d->mem, d->py->rt.addr, d->off, &d->lay);
	if (!err)
		err = list_variables(d);
	if (err && err->code == ERR_NOMEM)
		return err;
	err_drop(err); /* a function without variables is one all the same */
	if (d->off->lasti_unit && d->nvars <= DOUBLES_MAX)
		drop_doubles(d);
	ret->variables = d->vars;
	ret->nvariables = d->nvars;
	return NULL;
}

/* ---- files ---- */

#define FROZEN "<frozen "

/* sys.modules knows what the interpreter begins with by these names alone. */
static const char *module_of(const char *name)
{
	static const char *const names[][2] = {
		{ "importlib._bootstrap", "_frozen_importlib" },
		{ "importlib._bootstrap_external", "_frozen_importlib_external" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i][0], name) == 0)
			return names[i][1];
	return name;
}

/* What a module has as __file__; *ret is empty if it has none that could be read. */
static void read_file_of(struct describer *d, const char *module, char ret[PY_PATH_MAX])
{
	const struct py_peek p = { d->mem, d->off };
	const struct py_snapshot *snap = &d->py->snap;
	struct py_lookup memo = { 0 };
	uint64_t at = 0, object, file;
	struct py_dict dict;

	ret[0] = '\0';
	struct err *err = py_layout_find(d->mem, d->py->rt.addr, d->off, &d->lay);
	if (!err && snap->ninterps)
		err = mem_ptr(d->mem, snap->interps[0].addr + d->off->interp.modules, &at);
	bool found = !err && at && d->lay.module.dict != PY_NONE && py_dict_open(&p, at, &dict) &&
		     py_dict_find(&p, &dict, module, &memo, &object);
	memo = (struct py_lookup){ 0 };
	if (found)
		err = mem_ptr(d->mem, object + d->lay.module.dict, &at);
	found = found && !err && py_dict_open(&p, at, &dict) &&
		py_dict_find(&p, &dict, "__file__", &memo, &file);
	buf_clear(&d->scratch);
	if (found)
		err = py_text_str(d->mem, d->off, file, PY_PATH_MAX, &d->scratch);
	if (found && !err && !d->scratch.failed && d->scratch.len < PY_PATH_MAX) {
		memcpy(ret, d->scratch.data, d->scratch.len);
		ret[d->scratch.len] = '\0';
	}
	err_drop(err); /* then it has none */
}

/* Functions come module by module. */
static const char *find_source(struct describer *d, const char *file)
{
	struct py_frozen *known = &d->py->frozen;
	size_t n = strlen(file), head = strlen(FROZEN);
	char name[PY_PATH_MAX];

	if (n <= head + 1 || n >= sizeof(name) || strncmp(file, FROZEN, head) != 0 ||
	    file[n - 1] != '>')
		return file;
	memcpy(name, file + head, n - head - 1);
	name[n - head - 1] = '\0';
	if (known->generation != d->mem->generation || strcmp(known->name, name) != 0) {
		read_file_of(d, module_of(name), known->path);
		memcpy(known->name, name, n - head);
		known->generation = d->mem->generation;
	}
	const char *path = known->path[0] == '/'
				   ? arena_strdup(d->arena, known->path, strlen(known->path))
				   : NULL;
	return path ? path : file;
}

struct err *python_describe_code(struct python *py, const struct space *space, uint64_t addr,
				 struct arena *arena, struct synth_code *ret)
{
	struct describer d = {
		.py = py, .mem = space->mem, .off = &py->rt.off, .arena = arena, .addr = addr
	};
	struct py_code *code;

	*ret = (struct synth_code){ .addr = addr, .file = "", .len = 2 };
	struct err *err = py_codes_get(&py->codes, d.mem, d.off, addr, &code);
	if (err)
		return err;
	ret->name = code->corrupt ? code->corrupt : code->absent ? "<absent>" : code->name;
	ret->qualname = ret->name;
	if (code->corrupt || code->absent)
		return NULL;
	ret->qualname = code->qualname;
	ret->file = find_source(&d, code->file);
	ret->first_line = code->first_line;
	if (code->bytecode_len > ret->len)
		ret->len = code->bytecode_len < SYNTH_CODE_MAX ? (uint32_t)code->bytecode_len
							       : SYNTH_CODE_MAX;
	err = put_rows(&d, code, ret);
	if (!err)
		err = put_variables(&d, ret);
	buf_deinit(&d.scratch);
	return err;
}
