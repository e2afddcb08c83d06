/* SPDX-License-Identifier: MIT */
/*
 * Singletons, and what programs are made of: functions, classes, modules,
 * exceptions, generators, locks.  The wording is that of each type's tp_repr.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/text.h"

#define NAME_MAX_BYTES 256u

struct err *val_show_none(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	(void)addr;
	(void)t;
	buf_puts(v->out, "None");
	return NULL;
}

struct err *val_show_ellipsis(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	(void)addr;
	(void)t;
	buf_puts(v->out, "Ellipsis");
	return NULL;
}

struct err *val_show_not_implemented(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	(void)addr;
	(void)t;
	buf_puts(v->out, "NotImplemented");
	return NULL;
}

static void put_at(struct py_values *v, uint64_t addr)
{
	buf_puts(v->out, " at ");
	val_address(v, addr);
}

static struct err *put_str_field(struct py_values *v, uint64_t addr, uint32_t offset)
{
	uint64_t str;
	struct err *err = val_word(v, addr, offset, &str);
	return err ? err : val_put_str(v, str);
}

struct err *val_show_function(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	(void)t;
	buf_puts(v->out, "<function ");
	struct err *err = put_str_field(v, addr, v->lay.function.qualname);
	put_at(v, addr);
	buf_puts(v->out, ">");
	return err;
}

/* method_repr() asks the function for __qualname__, which only a real one is sure to have. */
struct err *val_show_method(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t func, self;
	struct err *err = val_word(v, addr, v->lay.method.func, &func);
	if (!err)
		err = val_word(v, addr, v->lay.method.self, &self);
	if (err)
		return err;
	if (!val_is(v, func, "function"))
		return val_put_opaque(v, addr, t);
	buf_puts(v->out, "<bound method ");
	err = put_str_field(v, func, v->lay.function.qualname);
	buf_puts(v->out, " of ");
	val_put_plain(v, self);
	buf_puts(v->out, ">");
	return err;
}

static struct err *put_def_name(struct py_values *v, uint64_t def)
{
	uint64_t name;
	struct err *err = val_word(v, def, 0, &name); /* PyMethodDef.ml_name */
	return err ? err : py_text_cstr(v->mem, name, NAME_MAX_BYTES, v->out);
}

/*
 * A name that is not in memory, of a function in a module: by what it is called there.
 */
static struct err *put_key_of(struct py_values *v, uint64_t module, uint64_t addr)
{
	uint64_t dict, key, value;
	struct val_dict d;
	struct err *err = val_word(v, module, v->lay.module.dict, &dict);
	if (!err)
		err = val_dict_open(v, dict, &d);
	while (!err) {
		err = val_dict_next(v, &d, &key, &value);
		if (!err && !key)
			err = err_new(ERR_NOT_FOUND, "no name");
		if (!err && value == addr && val_is(v, key, "str"))
			return val_put_str(v, key);
	}
	return err;
}

struct err *val_show_builtin(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t def, self;
	const struct py_type *self_type;
	size_t start = v->out->len;
	struct err *err = val_word(v, addr, v->lay.builtin.def, &def);
	if (!err)
		err = val_word(v, addr, v->lay.builtin.self, &self);
	if (err)
		return err;
	bool bound = self && !val_is(v, self, "module");
	buf_puts(v->out, bound ? "<built-in method " : "<built-in function ");
	err = put_def_name(v, def);
	if (err) {
		err_drop(err);
		err = bound || !self ? err_new(ERR_NOT_FOUND, "no name")
				     : put_key_of(v, self, addr);
	}
	if (err) {
		err_drop(err);
		v->out->len = start;
		return val_put_opaque(v, addr, t);
	}
	if (bound)
		err = val_type_of(v, self, &self_type);
	if (err)
		return err;
	if (bound) {
		buf_puts(v->out, " of ");
		buf_puts(v->out, self_type->tp_name);
		buf_puts(v->out, " object");
		put_at(v, self);
	}
	buf_puts(v->out, ">");
	return NULL;
}

/* ---- modules: importlib._bootstrap._module_repr() ---- */

/* An attribute of a module's spec; 0: none, or None. */
static uint64_t spec_attr(struct py_values *v, uint64_t spec, const char *name)
{
	const struct py_type *t;
	uint64_t value = 0;
	struct err *err = val_type_of(v, spec, &t);
	if (!err)
		err = val_attr(v, spec, t, name, &value);
	if (err || val_is(v, value, "NoneType"))
		value = 0;
	err_drop(err);
	return value;
}

static void put_module(struct py_values *v, uint64_t name, uint64_t file, uint64_t origin)
{
	buf_puts(v->out, "<module ");
	val_put(v, name);
	if (file) {
		buf_puts(v->out, " from ");
		val_put(v, file);
	} else {
		buf_puts(v->out, " (");
		struct err *err = val_put_str(v, origin);
		if (err)
			buf_puts(v->out, "?");
		err_drop(err);
		buf_puts(v->out, ")");
	}
	buf_puts(v->out, ">");
}

struct module {
	uint64_t dict, spec, name, file;
};

static struct err *read_module(struct py_values *v, uint64_t addr, struct module *m)
{
	struct err *err = val_word(v, addr, v->lay.module.dict, &m->dict);
	if (!err)
		err = val_dict_find(v, m->dict, "__spec__", &m->spec);
	if (!err)
		err = val_dict_find(v, m->dict, "__name__", &m->name);
	if (!err)
		err = val_dict_find(v, m->dict, "__file__", &m->file);
	if (!err && val_is(v, m->spec, "NoneType"))
		m->spec = 0;
	return err;
}

/* By its spec or its file; false if it has neither. */
static bool put_known_module(struct py_values *v, const struct module *m)
{
	int64_t located = 0;
	if (!m->spec) {
		if (m->name && m->file)
			put_module(v, m->name, m->file, 0);
		return m->name && m->file;
	}
	uint64_t origin = spec_attr(v, m->spec, "origin"), name = spec_attr(v, m->spec, "name");
	uint64_t has_file = spec_attr(v, m->spec, "_set_fileattr");
	if (!name || !origin)
		return false;
	if (!has_file || !val_int(v, has_file, &located))
		located = 0;
	put_module(v, name, located ? origin : 0, origin);
	return true;
}

/* To 3.11 the loader says that, where the spec does not (sys, to 3.8). */
static bool put_built_in(struct py_values *v, const struct module *m, uint64_t loader)
{
	static const char *const loaders[][2] = { { "BuiltinImporter", "built-in" },
						  { "FrozenImporter", "frozen" } };
	const struct py_type *self = NULL;
	if (!m->name || !loader || !val_is(v, loader, "type"))
		return false;
	struct err *err = val_type(v, loader, &self);
	err_drop(err);
	for (size_t i = 0; !err && i < 2; i++) {
		if (strcmp(self->name, loaders[i][0]) != 0)
			continue;
		buf_puts(v->out, "<module ");
		val_put(v, m->name);
		buf_printf(v->out, " (%s)>", loaders[i][1]);
		return true;
	}
	return false;
}

struct err *val_show_module(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct module m = { 0 };
	uint64_t loader = 0;
	struct err *err = read_module(v, addr, &m);
	if (err || put_known_module(v, &m))
		return err;
	err = val_dict_find(v, m.dict, "__loader__", &loader);
	if (err || put_built_in(v, &m, loader))
		return err;
	buf_puts(v->out, "<module ");
	if (m.name)
		val_put(v, m.name);
	else
		buf_puts(v->out, t->name);
	/* A loader would be shown; it is too long to be of use. */
	if (m.spec || !m.name || (loader && !val_is(v, loader, "NoneType")))
		put_at(v, addr);
	buf_puts(v->out, ">");
	return NULL;
}

/* ---- classes ---- */

struct err *val_show_type(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	const struct py_type *self;
	(void)t;
	struct err *err = val_type(v, addr, &self);
	if (err)
		return err;
	buf_puts(v->out, "<class '");
	err = val_put_type_name(v, self);
	buf_puts(v->out, "'>");
	return err;
}

struct err *val_show_code(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint32_t line = 0;
	(void)t;
	buf_puts(v->out, "<code object ");
	struct err *err = put_str_field(v, addr, v->off->code.name);
	if (!err)
		err = val_read(v, addr + v->off->code.first_line, &line, sizeof(line));
	if (err)
		return err;
	put_at(v, addr);
	buf_puts(v->out, ", file \"");
	err = put_str_field(v, addr, v->off->code.filename);
	buf_printf(v->out, "\", line %" PRId32 ">", (int32_t)line);
	return err;
}

/* ---- exceptions ---- */

/* The tuple that is an exception's args. */
static struct err *read_args(struct py_values *v, uint64_t addr, uint64_t *args, uint64_t *n)
{
	struct err *err = val_word(v, addr, v->lay.exception.args, args);
	if (!err && !val_is(v, *args, "tuple"))
		err = err_new(ERR_BAD_DATA, "no exception at 0x%" PRIx64, addr);
	return err ? err : val_word(v, *args, v->off->object.var_size, n);
}

/* BaseException_repr() */
struct err *val_show_exception(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t args, n;
	struct err *err = read_args(v, addr, &args, &n);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	if (n != 1 || v->lay.args_tuple) {
		val_put(v, args);
		return NULL;
	}
	err = val_word(v, args, v->lay.tuple.items, &args);
	if (err)
		return err;
	buf_puts(v->out, "(");
	val_put(v, args);
	buf_puts(v->out, ")");
	return NULL;
}

/* Behind the members that every exception has, 3.11 on; Include/cpython/pyerrors.h. */
#define EXCEPTION_SIZE 56u

/* The exceptions of a group as the sequence they were given in. */
static struct err *put_grouped(struct py_values *v, uint64_t excs, uint64_t args, uint64_t nargs)
{
	uint64_t given = 0, n, item;
	struct err *err = NULL;
	if (nargs == 2)
		err = val_word(v, args + 8, v->lay.tuple.items, &given);
	if (err || !val_is(v, given, "list")) {
		if (!err)
			val_put(v, excs);
		return err;
	}
	err = val_word(v, excs, v->off->object.var_size, &n);
	buf_puts(v->out, "[");
	for (size_t i = 0; !err && i < n && val_item(v, i); i++) {
		err = val_word(v, excs + 8 * i, v->lay.tuple.items, &item);
		if (!err)
			val_put(v, item);
	}
	buf_puts(v->out, "]");
	return err;
}

/* Has a repr() of its own since 3.14: { ..., msg 0, excs 8, excs_str 16 } */
struct err *val_show_exception_group(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t args, n, msg, excs, text;
	struct err *err = read_args(v, addr, &args, &n);
	if (!err)
		err = val_field(v, addr, EXCEPTION_SIZE, &msg);
	if (!err)
		err = val_field(v, addr, EXCEPTION_SIZE + 8, &excs);
	if (!err)
		err = val_field(v, addr, EXCEPTION_SIZE + 16, &text);
	if (!err && !val_is(v, excs, "tuple"))
		err = err_new(ERR_BAD_DATA, "no exceptions in the group at 0x%" PRIx64, addr);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	val_put(v, msg);
	buf_puts(v->out, ", ");
	err = text ? val_put_str(v, text) : put_grouped(v, excs, args, n);
	buf_puts(v->out, ")");
	return err;
}

/* Has a repr() of its own since 3.15: { ..., msg 0, name 8, path 16 } */
struct err *val_show_import_error(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	static const char *const words[] = { "name=", "path=" };
	uint64_t args, n, item, shown = 0;
	struct err *err = read_args(v, addr, &args, &n);
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	for (size_t i = 0; !err && i < n && val_item(v, shown++); i++) {
		err = val_word(v, args + 8 * i, v->lay.tuple.items, &item);
		if (!err)
			val_put(v, item);
	}
	for (uint32_t i = 0; !err && i < 2; i++) {
		err = val_field(v, addr, EXCEPTION_SIZE + 8 + 8 * i, &item);
		if (err || !item || !val_item(v, shown++))
			continue;
		buf_puts(v->out, words[i]);
		val_put(v, item);
	}
	buf_puts(v->out, ")");
	return err;
}

struct err *val_show_cell(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t ref;
	const struct py_type *type;
	(void)t;
	struct err *err = val_word(v, addr, v->lay.cell.ref, &ref);
	if (!err && ref)
		err = val_type_of(v, ref, &type);
	if (err)
		return err;
	buf_puts(v->out, "<cell");
	put_at(v, addr);
	if (ref) {
		buf_puts(v->out, ": ");
		buf_puts(v->out, type->tp_name);
		buf_puts(v->out, " object");
		put_at(v, ref);
		buf_puts(v->out, ">");
	} else {
		buf_puts(v->out, ": empty>");
	}
	return NULL;
}

/* ---- generators and coroutines ---- */

/* enum _framestate, by value and from the lowest on. */
static const char *state_name(const struct py_values *v, int state)
{
	static const struct {
		int first;
		const char *name[8];
	} states[] = {
		[PY_GEN_FRAME] = { 0, { "created", "suspended", "running", "finished" } },
		[PY_GEN_310] = { -2,
				 { "created", "suspended", "running", "finished", "finished",
				   "finished", "finished" } },
		[PY_GEN_311] = { -2,
				 { "created", "suspended", "running", "finished", NULL, NULL,
				   "finished" } },
		[PY_GEN_313] = { -3,
				 { "created", "suspended", "suspended", "running", "finished", NULL,
				   NULL, "finished" } },
		[PY_GEN_315] = { 0,
				 { "created", "suspended", "suspended", "suspended", "running",
				   "finished" } },
	};
	int i = state - states[v->lay.gen_states].first;
	const char *name = i >= 0 && i < 8 ? states[v->lay.gen_states].name[i] : NULL;
	return name ? name : "in an unknown state";
}

/* To 3.10: of a generator that is done the frame is gone. */
static struct err *read_frame_state(struct py_values *v, uint64_t addr, int8_t *ret)
{
	uint64_t frame;
	int32_t lasti = 0;
	bool by_frame = v->lay.gen_states == PY_GEN_FRAME;
	struct err *err = val_word(v, addr, v->lay.generator.frame, &frame);
	*ret = by_frame ? 3 : 1;
	if (err || !frame)
		return err;
	if (!by_frame)
		return val_read(v, frame + v->lay.frame.state, ret, sizeof(*ret));
	err = val_read(v, addr + v->lay.generator.state, ret, sizeof(*ret));
	if (!err)
		err = val_read(v, frame + v->off->frame.instr, &lasti, sizeof(lasti));
	*ret = (int8_t)(*ret ? 2 : lasti >= 0);
	return err;
}

static struct err *read_state(struct py_values *v, uint64_t addr, int8_t *ret)
{
	if (v->lay.generator.frame != PY_NONE)
		return read_frame_state(v, addr, ret);
	return val_read(v, addr + v->lay.generator.state, ret, sizeof(*ret));
}

struct err *val_show_generator(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	int8_t state;
	if (v->lay.generator.state == PY_NONE && v->lay.generator.frame == PY_NONE)
		return val_put_opaque(v, addr, t);
	struct err *err = read_state(v, addr, &state);
	if (err)
		return err;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->name);
	buf_puts(v->out, " object ");
	err = put_str_field(v, addr, v->lay.generator.qualname);
	put_at(v, addr);
	buf_puts(v->out, ", ");
	buf_puts(v->out, state_name(v, state));
	buf_puts(v->out, ">");
	return err;
}

/* ---- locks ---- */

struct err *val_lock_state(struct py_values *v, uint64_t addr, const struct py_type *t, bool *ret)
{
	uint8_t locked = 0;
	const struct py_layout *lay = &v->lay;
	if (t->basicsize != lay->lock.size)
		lay = py_layout_of_lock(lay, (uint32_t)t->basicsize);
	if (!lay || lay->lock.locked == PY_NONE)
		return err_new(ERR_NOT_FOUND, "the layout of locks is not known");
	struct err *err = val_read(v, addr + lay->lock.locked, &locked, sizeof(locked));
	*ret = locked & lay->locked_mask;
	return err;
}

struct err *val_show_lock(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	bool locked;
	struct err *err = val_lock_state(v, addr, t, &locked);
	if (err && err->code == ERR_NOT_FOUND) {
		err_drop(err);
		return val_put_opaque(v, addr, t);
	}
	if (err)
		return err;
	buf_puts(v->out, locked ? "<locked " : "<unlocked ");
	buf_puts(v->out, t->tp_name);
	buf_puts(v->out, " object");
	put_at(v, addr);
	buf_puts(v->out, ">");
	return NULL;
}

/* From 3.14 on a PyMutex, its owner and how often it was taken beyond the first time. */
struct err *val_show_rlock(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t owner, count;
	if (t->basicsize != v->lay.rlock.size)
		return val_put_opaque(v, addr, t);
	struct err *err = val_word(v, addr, v->lay.rlock.owner, &owner);
	if (!err)
		err = val_word(v, addr, v->lay.rlock.count, &count);
	if (err)
		return err;
	if (v->lay.rlock_beyond && owner)
		count++;
	buf_puts(v->out, count ? "<locked " : "<unlocked ");
	buf_puts(v->out, t->tp_name);
	buf_printf(v->out, " object owner=%" PRIu64 " count=%" PRIu64, owner, count);
	put_at(v, addr);
	buf_puts(v->out, ">");
	return NULL;
}
