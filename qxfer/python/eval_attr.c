/* SPDX-License-Identifier: MIT */
/*
 * x.name as object.__getattribute__() and type.__getattribute__() look for it, where
 * that asks for no code: instance dicts, slots and members of C structures, plain data
 * of classes.  Objects/object.c, Objects/typeobject.c, Objects/descrobject.c.
 */
#include <inttypes.h>
#include <string.h>

#include "qxfer/python/eval_priv.h"
#include "qxfer/python/text.h"

#define MRO_MAX	    200u
#define MEMBERS_MAX 500u
#define TABLE_MAX   500u /* methods of one C type */

/* PyMemberDef { name 0, type 8, offset 16, flags 24, doc 32 }; Include/descrobject.h */
#define ROW_SIZE    40u /* PyGetSetDef is as large */
#define RELATIVE    8u	/* Py_RELATIVE_OFFSET */
/* PyMethodDef and PyGetSetDef begin with a name, too. */
#define METHOD_SIZE 32u
/* tp_methods, tp_members, tp_getset; tp_dict, tp_descr_get, tp_descr_set */
#define WORD	    8u

static struct err *refuse(const char *what, const struct py_type *t, const char *name)
{
	return err_new(ERR_BAD_DATA, "not by memory alone: %s %.50s.%.50s", what, t->name, name);
}

static struct err *absent(const struct py_type *t, const char *name)
{
	return err_new(ERR_NOT_FOUND, "'%.50s' object has no attribute '%.50s'", t->name, name);
}

struct err *eval_overridden(struct evaluator *e, const struct py_type *t, const char *name,
			    bool *ret)
{
	uint64_t attr;
	struct err *err = val_class_attr(e->v, t, name, &attr, NULL);
	/* What C types have in their place is as it always was. */
	*ret = !err && attr && !val_is_exactly(e->v, attr, "wrapper_descriptor") &&
	       !val_is_exactly(e->v, attr, "method_descriptor");
	return err;
}

/* ---- members of C structures ---- */

/* Numbering: Include/structmember.h, since 3.12 Include/descrobject.h. */
static struct err *read_member(struct evaluator *e, uint64_t addr, const uint64_t def[4],
			       struct eval *ret)
{
	static const struct {
		uint8_t size;
		bool sign;
		enum eval_kind kind; /* EVAL_TEXT: not one that is read */
	} types[] = {
		[0] = { 2, true, EVAL_INT },	  [1] = { 4, true, EVAL_INT },
		[2] = { 8, true, EVAL_INT },	  [3] = { 0, false, EVAL_TEXT },
		[4] = { 8, false, EVAL_FLOAT },	  [5] = { 0, false, EVAL_TEXT },
		[6] = { 8, false, EVAL_OBJECT },  [7] = { 0, false, EVAL_TEXT },
		[8] = { 1, true, EVAL_INT },	  [9] = { 1, false, EVAL_INT },
		[10] = { 2, false, EVAL_INT },	  [11] = { 4, false, EVAL_INT },
		[12] = { 8, false, EVAL_INT },	  [13] = { 0, false, EVAL_TEXT },
		[14] = { 1, false, EVAL_BOOL },	  [15] = { 0, false, EVAL_TEXT },
		[16] = { 8, false, EVAL_OBJECT }, [17] = { 8, true, EVAL_INT },
		[18] = { 8, false, EVAL_INT },	  [19] = { 8, true, EVAL_INT },
	};
	uint32_t type = (uint32_t)def[1];
	uint64_t word = 0;
	if (type >= sizeof(types) / sizeof(types[0]) || types[type].kind == EVAL_TEXT ||
	    (uint32_t)def[3] & RELATIVE || def[2] > 1u << 20)
		return err_new(ERR_BAD_DATA, "not by memory alone: a member of type %u", type);
	unsigned int bits = 8u * types[type].size;
	struct err *err = val_read(e->v, addr + def[2], &word, types[type].size);
	if (types[type].sign && bits < 64 && word >> (bits - 1))
		word |= ~0ull << bits;
	*ret = (struct eval){ .kind = types[type].kind, .addr = word, .number = (int64_t)word };
	memcpy(&ret->real, &word, sizeof(word));
	if (!err && types[type].kind == EVAL_OBJECT && !word) {
		if (type == 16)
			return err_new(ERR_NOT_FOUND, "that attribute is not set");
		ret->kind = EVAL_NONE;
	}
	if (!err && !types[type].sign && types[type].kind == EVAL_INT && (int64_t)word < 0)
		return err_new(ERR_BAD_DATA, "a number that is too large");
	return err;
}

static bool name_at(struct evaluator *e, uint64_t at, const char *name)
{
	char text[128];
	size_t len = strlen(name) + 1;
	return len <= sizeof(text) && mem_read_some(e->v->mem, at, text, len) == len &&
	       memcmp(text, name, len) == 0;
}

/* The row called @name of a table that ends with a row without name; 0: there is none. */
static struct err *find_row(struct evaluator *e, uint64_t table, uint32_t size, const char *name,
			    uint64_t *ret)
{
	uint64_t at = 1;
	*ret = 0;
	struct err *err = NULL;
	for (unsigned int i = 0; table && !err && at && i < TABLE_MAX; i++, table += size) {
		err = val_read(e->v, table, &at, sizeof(at));
		if (err || !at || !name_at(e, at, name))
			continue;
		*ret = table;
		break;
	}
	return err;
}

/* The same in a table of one of the C types that @t is made of; @which in words from tp_members. */
static struct err *find_in_types(struct evaluator *e, const struct py_type *t, int which,
				 const char *name, uint64_t *ret)
{
	const uint32_t size = which < 0 ? METHOD_SIZE : ROW_SIZE;
	struct err *err = NULL;
	*ret = 0;
	for (unsigned int i = 0; !err && !*ret && t && i < MRO_MAX; i++) {
		uint64_t table = 0;
		bool c = !(t->flags & TYPE_HEAP) || t->flags & TYPE_IMMUTABLE;
		if (c)
			err = val_word(e->v, t->addr + (uint64_t)(int64_t)(which * (int)WORD),
				       e->v->lay.type.members, &table);
		if (!err)
			err = find_row(e, table, size, name, ret);
		if (!err && t->base)
			err = val_type(e->v, t->base, &t);
		else
			break;
	}
	return err;
}

/* ---- what C computes, and is known ---- */

/* Include/cpython/funcobject.h: to 3.9 four words are between the name and __qualname__. */
static uint32_t function_name(const struct evaluator *e)
{
	bool old = PY_MINOR(e->v->lay.version_hex) < 0x030a;
	return e->v->lay.function.qualname - (old ? 5 * WORD : WORD);
}

static struct err *known(struct evaluator *e, uint64_t addr, const struct py_type *t,
			 const char *name, struct eval *ret, bool *is)
{
	const struct py_layout *lay = &e->v->lay;
	const struct {
		const char *kind, *name;
		uint32_t offset;
	} fields[] = {
		{ "BaseException", "args", lay->exception.args },
		{ "function", "__code__", lay->function.code },
		{ "function", "__qualname__", lay->function.qualname },
		{ "function", "__name__", function_name(e) },
		{ "cell", "cell_contents", lay->cell.ref },
		{ "type", "__mro__", lay->type.mro },
		{ "type", "__base__", lay->type.base },
		{ "type", "__bases__", lay->type.mro - WORD },
		{ "generator", "__qualname__", lay->generator.qualname },
		{ "generator", "__name__", lay->generator.qualname - WORD },
		{ "coroutine", "__qualname__", lay->generator.qualname },
		{ "coroutine", "__name__", lay->generator.qualname - WORD },
	};
	*is = false;
	for (size_t i = 0; t->kind && i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].kind, t->kind->name) != 0 ||
		    strcmp(fields[i].name, name) != 0 || fields[i].offset >= 1u << 16)
			continue;
		*is = true;
		*ret = eval_object(0);
		struct err *err = val_word(e->v, addr, fields[i].offset, &ret->addr);
		if (!err && !ret->addr)
			ret->kind = EVAL_NONE;
		return err;
	}
	return NULL;
}

static struct err *known_of_exception(struct evaluator *e, uint64_t addr, const char *name,
				      struct eval *ret, bool *is)
{
	struct val_exception x;
	*is = false;
	if (!val_is(e->v, addr, "BaseException"))
		return NULL;
	struct err *err = val_exception(e->v, addr, &x);
	if (err)
		return err;
	const struct {
		const char *name;
		uint64_t is;
	} parts[] = { { "__traceback__", x.traceback },
		      { "__context__", x.context },
		      { "__cause__", x.cause } };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(parts[i].name, name) != 0)
			continue;
		*is = true;
		*ret = eval_object(parts[i].is);
		if (!parts[i].is)
			ret->kind = EVAL_NONE;
	}
	return NULL;
}

/* ---- descriptors ---- */

static struct err *slot(struct evaluator *e, const struct py_type *t, unsigned int words,
			uint64_t *ret)
{
	return val_word(e->v, t->addr + (uint64_t)words * WORD, e->v->lay.type.dict, ret);
}

/* What a method of @addr is shown as; nothing can be done with it. */
static struct err *bound_method(struct evaluator *e, uint64_t function, uint64_t addr,
				struct eval *ret)
{
	uint64_t qualname;
	if (!val_is(e->v, function, "function"))
		return err_new(ERR_BAD_DATA, "not by memory alone: a method");
	eval_begin(e);
	struct err *err = val_word(e->v, function, e->v->lay.function.qualname, &qualname);
	buf_puts(&e->scratch, "<bound method ");
	if (!err)
		err = val_put_str(e->v, qualname);
	buf_puts(&e->scratch, " of ");
	val_put_plain(e->v, addr);
	buf_put(&e->scratch, ">", 2);
	if (err || e->scratch.failed)
		return err ? err : &err_nomem;
	return eval_make_text(e, (const char *)e->scratch.data, EVAL_TEXT, ret);
}

/* enum: name and value are computed, from what the member has under these names. */
static struct err *enum_part(struct evaluator *e, uint64_t addr, const struct py_type *t,
			     const char *name, uint64_t *ret)
{
	static const struct {
		const char *name, *from;
	} parts[] = { { "name", "_name_" }, { "value", "_value_" } };
	*ret = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(parts[i].name, name) == 0)
			return val_attr(e->v, addr, t, parts[i].from, ret);
	return NULL;
}

/*
 * Whether a descriptor is a namedtuple's, and of which item: from 3.8 on a type of its
 * own { index, doc }, before a property { get, ... } whose getter is an
 * operator.itemgetter { n, item, ... }.
 */
static struct err *tuple_field(struct evaluator *e, uint64_t addr, const struct py_type *d,
			       uint64_t descr, uint64_t *index, bool *is)
{
	const struct py_type *getter;
	uint64_t get, item;
	int64_t i;
	*is = false;
	if (!val_is(e->v, addr, "tuple"))
		return NULL;
	struct err *err = val_field(e->v, descr, 0, &get);
	if (!err && strcmp(d->name, "_tuplegetter") == 0) {
		*is = true;
		*index = get;
		return get < 1u << 20 ? NULL : err_new(ERR_BAD_DATA, "no field %" PRIu64, get);
	}
	if (err || strcmp(d->name, "property") != 0 || !get)
		return err;
	err = val_type_of(e->v, get, &getter);
	if (err || strcmp(getter->name, "itemgetter") != 0)
		return err;
	err = val_field(e->v, get, WORD, &item);
	*is = !err && val_int(e->v, item, &i) && i >= 0 && i < 1 << 20;
	*index = *is ? (uint64_t)i : 0;
	return err;
}

struct asked {
	uint64_t addr;
	const struct py_type *t;
	const char *name;
};

/* A data descriptor that the class has: it comes before what the instance has. */
static struct err *data_descriptor(struct evaluator *e, const struct asked *of, uint64_t descr,
				   struct eval *ret, bool *is)
{
	const struct py_type *d;
	uint64_t set, def[4], at;
	struct err *err = val_type_of(e->v, descr, &d);
	if (!err)
		err = slot(e, d, 2, &set);
	*is = !err && set;
	if (!*is)
		return err;
	if (strcmp(d->name, "member_descriptor") == 0) {
		err = val_field(e->v, descr, 3 * WORD, &at);
		if (!err)
			err = val_read(e->v, at, def, sizeof(def));
		return err ? err : read_member(e, of->addr, def, ret);
	}
	bool field;
	err = tuple_field(e, of->addr, d, descr, &at, &field);
	if (err || field) {
		*ret = eval_object(0);
		return err ? err
			   : val_word(e->v, of->addr + WORD * at, e->v->lay.tuple.items,
				      &ret->addr);
	}
	err = enum_part(e, of->addr, of->t, of->name, &at);
	if (!err && at) {
		*ret = eval_object(at);
		return NULL;
	}
	if (err)
		return err;
	if (strcmp(d->name, "getset_descriptor") == 0) {
		*is = false; /* what is known of them is asked for later */
		return NULL;
	}
	return refuse(strcmp(d->name, "property") == 0 ? "the property" : "the descriptor", of->t,
		      of->name);
}

/* What else the class has: plain data, or something that is bound to the instance. */
static struct err *class_data(struct evaluator *e, uint64_t addr, const struct py_type *t,
			      const char *name, uint64_t attr, struct eval *ret)
{
	const struct py_type *d;
	uint64_t get;
	struct err *err = val_type_of(e->v, attr, &d);
	if (!err)
		err = slot(e, d, 1, &get);
	if (err)
		return err;
	*ret = eval_object(attr);
	if (!get)
		return NULL;
	if (strcmp(d->name, "function") == 0)
		return bound_method(e, attr, addr, ret);
	if (strcmp(d->name, "staticmethod") == 0)
		return val_field(e->v, attr, 0, &ret->addr);
	if (strcmp(d->name, "classmethod") == 0) {
		err = val_field(e->v, attr, 0, &attr);
		return err ? err : bound_method(e, attr, t->addr, ret);
	}
	err = enum_part(e, addr, t, name, &ret->addr);
	if (err || ret->addr)
		return err;
	return refuse("the descriptor", t, name);
}

/* ---- instances ---- */

/* What C types have that is not in any dict which could be read. */
static struct err *c_attr(struct evaluator *e, uint64_t addr, const struct py_type *t,
			  const char *name, struct eval *ret, bool *is)
{
	uint64_t row, def[4];
	struct err *err = known(e, addr, t, name, ret, is);
	if (!err && !*is)
		err = known_of_exception(e, addr, name, ret, is);
	if (!err && !*is)
		err = find_in_types(e, t, 0, name, &row);
	if (err || *is)
		return err;
	*is = row != 0;
	if (row) {
		err = val_read(e->v, row, def, sizeof(def));
		return err ? err : read_member(e, addr, def, ret);
	}
	err = find_in_types(e, t, 1, name, &row);
	if (!err && row)
		return refuse("what C computes,", t, name);
	if (!err)
		err = find_in_types(e, t, -1, name, &row);
	if (!err && row)
		return refuse("a method,", t, name);
	return err;
}

static struct err *own_attr(struct evaluator *e, uint64_t addr, const struct py_type *t,
			    const char *name, uint64_t *ret)
{
	struct val_dict d;
	uint64_t key, value;
	bool has;
	*ret = 0;
	struct err *err = val_attrs_open(e->v, addr, t, &d, &has);
	while (!err && has) {
		err = val_dict_next(e->v, &d, &key, &value);
		if (err || !key)
			return err;
		if (val_str_is(e->v, key, name)) {
			*ret = value;
			return NULL;
		}
	}
	return err;
}

/* Behind everything else. */
static struct err *no_attr(struct evaluator *e, const struct py_type *t, const char *name)
{
	bool code;
	struct err *err = eval_overridden(e, t, "__getattr__", &code);
	if (err)
		return err;
	return code ? refuse("__getattr__() may know", t, name) : absent(t, name);
}

static struct err *instance_attr(struct evaluator *e, uint64_t addr, const struct py_type *t,
				 const char *name, struct eval *ret)
{
	const struct asked of = { addr, t, name };
	uint64_t attr = 0, own = 0;
	bool is = false;
	struct err *err = eval_overridden(e, t, "__getattribute__", &is);
	if (!err && is)
		return refuse("__getattribute__() says what is", t, name);
	if (!err)
		err = val_class_attr(e->v, t, name, &attr, NULL);
	if (!err && attr)
		err = data_descriptor(e, &of, attr, ret, &is);
	if (err || is)
		return err;
	err = own_attr(e, addr, t, name, &own);
	*ret = eval_object(own);
	if (err || own)
		return err;
	err = c_attr(e, addr, t, name, ret, &is);
	if (err || is)
		return err;
	return attr ? class_data(e, addr, t, name, attr, ret) : no_attr(e, t, name);
}

/* ---- classes and modules ---- */

/* What a class itself has: functions and properties are not bound to it. */
static struct err *unbound(struct evaluator *e, const struct py_type *self, const char *name,
			   uint64_t attr, struct eval *ret)
{
	static const char *const plain[] = { "function",	   "property",
					     "member_descriptor",  "getset_descriptor",
					     "wrapper_descriptor", "method_descriptor",
					     "_tuplegetter" };
	const struct py_type *d;
	uint64_t get;
	struct err *err = val_type_of(e->v, attr, &d);
	if (!err)
		err = slot(e, d, 1, &get);
	if (err)
		return err;
	*ret = eval_object(attr);
	bool is = !get;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		is = is || (!(d->flags & TYPE_HEAP && !(d->flags & TYPE_IMMUTABLE)) &&
			    strcmp(d->name, plain[i]) == 0);
	if (is)
		return NULL;
	if (strcmp(d->name, "staticmethod") == 0)
		return val_field(e->v, attr, 0, &ret->addr);
	if (strcmp(d->name, "classmethod") != 0)
		return refuse("the descriptor", self, name);
	err = val_field(e->v, attr, 0, &attr);
	return err ? err : bound_method(e, attr, self->addr, ret);
}

/* An enumeration's members, whatever its version keeps in the class. */
static struct err *enum_member(struct evaluator *e, const struct py_type *self, const char *name,
			       uint64_t *ret)
{
	uint64_t map;
	*ret = 0;
	struct err *err = val_class_attr(e->v, self, "_member_map_", &map, NULL);
	if (err || !map || !val_is_exactly(e->v, map, "dict"))
		return err;
	return val_dict_find(e->v, map, name, ret);
}

static struct err *named_text(struct evaluator *e, const struct py_type *self, bool qualified,
			      struct eval *ret)
{
	eval_begin(e);
	struct err *err = NULL;
	if (qualified)
		err = val_put_qualname(e->v, self);
	else
		buf_puts(&e->scratch, self->name);
	buf_put(&e->scratch, "", 1);
	if (err || e->scratch.failed)
		return err ? err : &err_nomem;
	return eval_make_text(e, (const char *)e->scratch.data, EVAL_STR, ret);
}

static struct err *type_attr(struct evaluator *e, uint64_t addr, const struct py_type *meta,
			     const char *name, struct eval *ret)
{
	const struct py_type *self;
	uint64_t attr = 0;
	struct err *err = val_type(e->v, addr, &self);
	if (!err && strcmp(name, "__name__") == 0)
		return named_text(e, self, false, ret);
	if (!err && strcmp(name, "__qualname__") == 0)
		return named_text(e, self, true, ret);
	if (!err)
		err = enum_member(e, self, name, &attr);
	*ret = eval_object(attr);
	if (err || attr)
		return err;
	err = val_class_attr(e->v, self, name, &attr, NULL);
	if (!err && attr)
		return unbound(e, self, name, attr, ret);
	if (!err)
		err = find_in_types(e, self, -1, name, &attr);
	if (!err && attr)
		return refuse("a method,", self, name);
	return err ? err : instance_attr(e, addr, meta, name, ret);
}

static struct err *module_attr(struct evaluator *e, uint64_t addr, const struct py_type *t,
			       const char *name, struct eval *ret)
{
	uint64_t dict, attr, code = 0;
	struct err *err = val_word(e->v, addr, e->v->lay.module.dict, &dict);
	if (!err)
		err = val_dict_find(e->v, dict, name, &attr);
	*ret = eval_object(err ? 0 : attr);
	if (err || attr)
		return err;
	err = val_dict_find(e->v, dict, "__getattr__", &code);
	if (!err && code)
		return refuse("__getattr__() may know", t, name);
	return err ? err : instance_attr(e, addr, t, name, ret);
}

/* __class__ and __dict__, which everything has or may have. */
static struct err *common_attr(struct evaluator *e, uint64_t addr, const struct py_type *t,
			       const char *name, struct eval *ret, bool *is)
{
	struct val_dict d;
	bool has;
	*is = strcmp(name, "__class__") == 0;
	*ret = eval_object(t->addr);
	if (*is || strcmp(name, "__dict__") != 0 || val_is(e->v, addr, "type"))
		return NULL;
	if (val_is(e->v, addr, "module")) {
		*is = true;
		return val_word(e->v, addr, e->v->lay.module.dict, &ret->addr);
	}
	struct err *err = val_attrs_open(e->v, addr, t, &d, &has);
	if (err || !has)
		return err;
	*is = true;
	if (!d.object)
		return err_new(ERR_NOT_FOUND,
			       "'%.50s' object keeps its attributes in no dict yet: print the "
			       "object itself",
			       t->name);
	ret->addr = d.object;
	return NULL;
}

struct err *eval_attr(struct evaluator *e, const struct eval *of, const char *name,
		      struct eval *ret)
{
	const struct py_type *t;
	bool is = false;
	if (of->kind != EVAL_OBJECT)
		return err_new(ERR_BAD_DATA,
			       "not by memory alone: an attribute of '%.60s', which is no object "
			       "of the program",
			       eval_type_name(e, of));
	eval_begin(e);
	struct err *err = val_type_of(e->v, of->addr, &t);
	if (!err)
		err = common_attr(e, of->addr, t, name, ret, &is);
	if (err || is)
		return err;
	if (t->kind && strcmp(t->kind->name, "type") == 0)
		return type_attr(e, of->addr, t, name, ret);
	if (t->kind && strcmp(t->kind->name, "module") == 0)
		return module_attr(e, of->addr, t, name, ret);
	return instance_attr(e, of->addr, t, name, ret);
}
