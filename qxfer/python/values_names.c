/* SPDX-License-Identifier: MIT */
/*
 * Names of types whose tp_name cannot be read.  The names of types that C code made are
 * constants of its file, and those are not in a core.  But each such type is known by
 * what it is called in the module it comes from: builtins has int, types calls the type
 * of functions FunctionType.
 *
 * Lib/types.py, Lib/_collections_abc.py, Python/bltinmodule.c, 3.6 to 3.15; the tp_names
 * are those of Objects and Modules.
 */
#include "qxfer/python/values_priv.h"

#include <string.h>

#include "qxfer/python/text.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define FIND_READS    20000u
#define NAMES_MAX     1000u
#define KEY_MAX	      80u
#define MODULES_MAX   4000u
#define ITEMS_MAX     2000u
#define INTERPS_MAX   256u
#define NAME_BYTES    256u
#define TYPE_BASE_EXC (1ull << 30) /* Py_TPFLAGS_BASE_EXC_SUBCLASS */

enum how {
	ITSELF,	   /* what has the name is the type */
	OF_VALUE,  /* it is the type of that */
	OF_CODE,   /* of the code of that function */
	OF_MODULE, /* of the module itself */
};

/* Sorted by module.  From minor version @since on, and before @until if that is not 0. */
static const struct row {
	const char *module, *attribute, *tp_name;
	uint8_t how, since, until;
} rows[] = {
	{ "_collections", "OrderedDict", "collections.OrderedDict", ITSELF, 0, 0 },
	{ "_collections", "defaultdict", "collections.defaultdict", ITSELF, 0, 0 },
	{ "_collections", "deque", "collections.deque", ITSELF, 0, 0 },
	{ "_collections_abc", "async_generator", "async_generator", ITSELF, 0, 0 },
	{ "_collections_abc", "bytearray_iterator", "bytearray_iterator", ITSELF, 0, 0 },
	{ "_collections_abc", "bytes_iterator", "bytes_iterator", ITSELF, 0, 0 },
	{ "_collections_abc", "coroutine", "coroutine", ITSELF, 0, 0 },
	{ "_collections_abc", "dict_itemiterator", "dict_itemiterator", ITSELF, 0, 0 },
	{ "_collections_abc", "dict_items", "dict_items", ITSELF, 0, 0 },
	{ "_collections_abc", "dict_keyiterator", "dict_keyiterator", ITSELF, 0, 0 },
	{ "_collections_abc", "dict_keys", "dict_keys", ITSELF, 0, 0 },
	{ "_collections_abc", "dict_valueiterator", "dict_valueiterator", ITSELF, 0, 0 },
	{ "_collections_abc", "dict_values", "dict_values", ITSELF, 0, 0 },
	{ "_collections_abc", "generator", "generator", ITSELF, 0, 0 },
	{ "_collections_abc", "list_iterator", "list_iterator", ITSELF, 0, 0 },
	{ "_collections_abc", "list_reverseiterator", "list_reverseiterator", ITSELF, 0, 0 },
	{ "_collections_abc", "mappingproxy", "mappingproxy", ITSELF, 0, 0 },
	{ "_collections_abc", "range_iterator", "range_iterator", ITSELF, 0, 0 },
	{ "_collections_abc", "set_iterator", "set_iterator", ITSELF, 0, 0 },
	{ "_collections_abc", "str_iterator", "str_ascii_iterator", ITSELF, 11, 0 },
	{ "_collections_abc", "str_iterator", "str_iterator", ITSELF, 0, 11 },
	{ "_collections_abc", "tuple_iterator", "tuple_iterator", ITSELF, 0, 0 },
	{ "_contextvars", "Context", "Context", ITSELF, 7, 10 },
	{ "_contextvars", "Context", "_contextvars.Context", ITSELF, 10, 0 },
	{ "_frozen_importlib", "_wrap", "code", OF_CODE, 0, 0 },
	{ "_frozen_importlib", "_wrap", "function", OF_VALUE, 0, 0 },
	{ "_functools", "partial", "functools.partial", ITSELF, 0, 0 },
	{ "_io", "BufferedRandom", "_io.BufferedRandom", ITSELF, 0, 0 },
	{ "_io", "BufferedReader", "_io.BufferedReader", ITSELF, 0, 0 },
	{ "_io", "BufferedWriter", "_io.BufferedWriter", ITSELF, 0, 0 },
	{ "_io", "BytesIO", "_io.BytesIO", ITSELF, 0, 0 },
	{ "_io", "FileIO", "_io.FileIO", ITSELF, 0, 0 },
	{ "_io", "StringIO", "_io.StringIO", ITSELF, 0, 0 },
	{ "_io", "TextIOWrapper", "_io.TextIOWrapper", ITSELF, 0, 0 },
	{ "_socket", "SocketType", "_socket.socket", ITSELF, 0, 0 },
	{ "_struct", "Struct", "Struct", ITSELF, 0, 9 },
	{ "_thread", "LockType", "_thread.lock", ITSELF, 0, 0 },
	{ "_thread", "RLock", "_thread.RLock", ITSELF, 0, 0 },
	{ "_thread", "_local", "_thread._local", ITSELF, 0, 0 },
	{ "_weakref", "CallableProxyType", "weakcallableproxy", ITSELF, 0, 10 },
	{ "_weakref", "CallableProxyType", "weakref.CallableProxyType", ITSELF, 10, 0 },
	{ "_weakref", "ProxyType", "weakproxy", ITSELF, 0, 10 },
	{ "_weakref", "ProxyType", "weakref.ProxyType", ITSELF, 10, 0 },
	{ "_weakref", "ref", "weakref", ITSELF, 0, 10 },
	{ "_weakref", "ref", "weakref.ReferenceType", ITSELF, 10, 0 },
	{ "array", "array", "array.array", ITSELF, 0, 0 },
	{ "builtins", "Ellipsis", "ellipsis", OF_VALUE, 0, 0 },
	{ "builtins", "None", "NoneType", OF_VALUE, 0, 0 },
	{ "builtins", "NotImplemented", "NotImplementedType", OF_VALUE, 0, 0 },
	{ "builtins", "len", "builtin_function_or_method", OF_VALUE, 0, 0 },
	{ "builtins", "len", "module", OF_MODULE, 0, 0 },
	{ "datetime", "date", "datetime.date", ITSELF, 0, 0 },
	{ "datetime", "datetime", "datetime.datetime", ITSELF, 0, 0 },
	{ "datetime", "time", "datetime.time", ITSELF, 0, 0 },
	{ "datetime", "timedelta", "datetime.timedelta", ITSELF, 0, 0 },
	{ "datetime", "timezone", "datetime.timezone", ITSELF, 0, 0 },
	{ "datetime", "tzinfo", "datetime.tzinfo", ITSELF, 0, 0 },
	{ "decimal", "Context", "decimal.Context", ITSELF, 0, 0 },
	{ "decimal", "Decimal", "decimal.Decimal", ITSELF, 0, 0 },
	{ "itertools", "count", "itertools.count", ITSELF, 0, 0 },
	{ "itertools", "repeat", "itertools.repeat", ITSELF, 0, 0 },
	{ "re", "Match", "re.Match", ITSELF, 7, 0 },
	{ "re", "Pattern", "re.Pattern", ITSELF, 7, 0 },
	{ "re", "_pattern_type", "_sre.SRE_Pattern", ITSELF, 0, 7 },
	{ "sys", "implementation", "types.SimpleNamespace", OF_VALUE, 0, 0 },
	{ "types", "AsyncGeneratorType", "async_generator", ITSELF, 0, 0 },
	{ "types", "BuiltinFunctionType", "builtin_function_or_method", ITSELF, 0, 0 },
	{ "types", "CellType", "cell", ITSELF, 8, 0 },
	{ "types", "ClassMethodDescriptorType", "classmethod_descriptor", ITSELF, 0, 0 },
	{ "types", "CodeType", "code", ITSELF, 0, 0 },
	{ "types", "CoroutineType", "coroutine", ITSELF, 0, 0 },
	{ "types", "FrameType", "frame", ITSELF, 0, 0 },
	{ "types", "FunctionType", "function", ITSELF, 0, 0 },
	{ "types", "GeneratorType", "generator", ITSELF, 0, 0 },
	{ "types", "GenericAlias", "types.GenericAlias", ITSELF, 9, 0 },
	{ "types", "GetSetDescriptorType", "getset_descriptor", ITSELF, 0, 0 },
	{ "types", "MappingProxyType", "mappingproxy", ITSELF, 0, 0 },
	{ "types", "MemberDescriptorType", "member_descriptor", ITSELF, 0, 0 },
	{ "types", "MethodDescriptorType", "method_descriptor", ITSELF, 0, 0 },
	{ "types", "MethodType", "method", ITSELF, 0, 0 },
	{ "types", "MethodWrapperType", "method-wrapper", ITSELF, 0, 0 },
	{ "types", "ModuleType", "module", ITSELF, 0, 0 },
	{ "types", "SimpleNamespace", "types.SimpleNamespace", ITSELF, 0, 0 },
	{ "types", "TracebackType", "traceback", ITSELF, 0, 0 },
	{ "types", "UnionType", "types.UnionType", ITSELF, 10, 14 },
	{ "types", "UnionType", "typing.Union", ITSELF, 14, 0 },
	{ "types", "WrapperDescriptorType", "wrapper_descriptor", ITSELF, 0, 0 },
};

/* The types in builtins that are there under their own name; exceptions are too. */
static const char *const builtins[] = {
	"bool",		"bytearray", "bytes",	   "classmethod", "complex",  "dict", "enumerate",
	"filter",	"float",     "frozendict", "frozenset",	  "int",      "list", "map",
	"memoryview",	"object",    "property",   "range",	  "reversed", "set",  "slice",
	"staticmethod", "str",	     "super",	   "tuple",	  "type",     "zip",
};

struct val_names {
	struct {
		uint64_t type;
		const char *tp_name; /* NULL: it has several */
		const char *key;     /* of a guess */
	} item[NAMES_MAX];
	size_t n;
	uint64_t modules; /* sys.modules, 0 if it was not found */
	bool guessed;
};

/* ---- what is looked through ---- */

/* interp->modules; the main interpreter is the list's last. */
uint64_t val_modules(struct py_values *v)
{
	uint64_t interp = 0, next = 0, modules = 0;
	struct err *err = val_word(v, v->runtime, v->off->runtime.interpreters_head, &next);
	for (unsigned int i = 0; !err && next && next % 8 == 0 && i < INTERPS_MAX; i++) {
		interp = next;
		err = val_word(v, interp, v->off->interp.next, &next);
	}
	if (!err && interp)
		err = val_word(v, interp, v->off->interp.modules, &modules);
	err_drop(err);
	return err ? 0 : modules;
}

/* A short ASCII str. */
static bool read_key(struct py_values *v, uint64_t addr, char text[KEY_MAX])
{
	struct py_units u;
	if (!addr || addr % 8 || !v->reads)
		return false;
	v->reads--;
	struct err *err = py_text_find(v->mem, v->off, addr, &u);
	bool good = !err && u.ascii && u.length < KEY_MAX;
	if (good)
		err = mem_read(v->mem, u.data, text, u.length);
	if (good && !err)
		text[u.length] = '\0';
	err_drop(err);
	return good && !err;
}

/* The flags of the type at @addr, with TYPE_READY; 0: it is none. */
static uint64_t type_flags(struct py_values *v, uint64_t addr)
{
	uint64_t meta = 0, of_meta = 0, flags = 0;
	if (!addr || addr % 8)
		return 0;
	struct err *err = val_word(v, addr, v->off->object.type, &meta);
	if (!err && meta && meta % 8 == 0)
		err = val_word(v, meta, v->lay.type.flags, &of_meta);
	if (!err && of_meta & TYPE_TYPE)
		err = val_word(v, addr, v->lay.type.flags, &flags);
	err_drop(err);
	return !err && flags & TYPE_READY ? flags : 0;
}

static uint64_t dict_of_module(struct py_values *v, uint64_t module)
{
	uint64_t dict = 0;
	struct err *err = module % 8 ? NULL : val_word(v, module, v->lay.module.dict, &dict);
	err_drop(err);
	return dict;
}

struct walk {
	struct py_values *v;
	struct val_names *names;
	const char *module;
	uint64_t addr; /* of the module */
};

typedef void (*visit)(struct walk *w, const char *key, uint64_t value);

static void visit_dict(struct walk *w, uint64_t dict, size_t most, visit what)
{
	struct val_dict d;
	char key[KEY_MAX];
	uint64_t name = 0, value;
	struct err *err = dict && dict % 8 == 0 ? val_dict_open(w->v, dict, &d) : NULL;
	for (size_t i = 0; dict % 8 == 0 && dict && !err && i < most; i++) {
		err = val_dict_next(w->v, &d, &name, &value);
		if (!err && !name)
			return;
		if (!err && read_key(w->v, name, key))
			what(w, key, value);
	}
	err_drop(err);
}

/* ---- what is found ---- */

static size_t find(const struct val_names *names, uint64_t type)
{
	size_t i = 0;
	while (i < names->n && names->item[i].type != type)
		i++;
	return i;
}

/* The first name that a static type has is the one that counts. */
static void add(struct walk *w, uint64_t type, const char *tp_name)
{
	struct val_names *names = w->names;
	uint64_t flags = type_flags(w->v, type);
	if (!flags || flags & TYPE_HEAP || names->n == NAMES_MAX || find(names, type) < names->n)
		return;
	names->item[names->n].type = type;
	names->item[names->n++].tp_name = tp_name;
}

static uint64_t type_by(struct walk *w, const struct row *row, uint64_t value)
{
	uint64_t type = 0;
	struct err *err = NULL;
	if (row->how == ITSELF)
		return value;
	if (row->how == OF_MODULE)
		value = w->addr;
	if (row->how == OF_CODE)
		err = val_word(w->v, value, w->v->lay.function.code, &value);
	if (!err && value && value % 8 == 0)
		err = val_word(w->v, value, w->v->off->object.type, &type);
	err_drop(err);
	return type;
}

static void visit_known(struct walk *w, const char *key, uint64_t value)
{
	unsigned int minor = PY_MINOR(w->v->off->version_hex) & 0xff;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].attribute, key) == 0 && strcmp(rows[i].module, w->module) == 0 &&
		    minor >= rows[i].since && (!rows[i].until || minor < rows[i].until))
			add(w, type_by(w, &rows[i], value), rows[i].tp_name);
}

/* OSError has two more names, behind this one. */
static void visit_builtin(struct walk *w, const char *key, uint64_t value)
{
	bool known = (type_flags(w->v, value) & TYPE_BASE_EXC) != 0;
	for (size_t i = 0; i < ARRAY_SIZE(builtins) && !known; i++)
		known = strcmp(builtins[i], key) == 0;
	if (!known || find(w->names, value) < w->names->n)
		return;
	const char *kept = arena_strdup(&w->v->arena, key, strlen(key));
	if (kept)
		add(w, value, kept);
}

static void visit_module(struct walk *w, const char *key, uint64_t value)
{
	bool known = false;
	for (size_t i = 0; i < ARRAY_SIZE(rows) && !known; i++)
		known = strcmp(rows[i].module, key) == 0;
	if (!known)
		return;
	w->module = key;
	w->addr = value;
	visit_dict(w, dict_of_module(w->v, value), ITEMS_MAX, visit_known);
	if (strcmp(key, "builtins") == 0)
		visit_dict(w, dict_of_module(w->v, value), ITEMS_MAX, visit_builtin);
	w->module = NULL;
}

static struct val_names *make_names(struct py_values *v)
{
	struct val_names *names = arena_alloc(&v->arena, sizeof(*names));
	if (!names)
		return NULL;
	struct walk w = { .v = v, .names = names };
	names->modules = val_modules(v);
	visit_dict(&w, names->modules, MODULES_MAX, visit_module);
	return names;
}

/* ---- guesses ---- */

/* A module of C's: its spec says so, or it is a file that holds no Python. */
static bool is_of_c(struct py_values *v, uint64_t dict)
{
	uint64_t file;
	char text[4] = "";
	struct py_units u;
	struct err *err = val_dict_find(v, dict, "__file__", &file);
	if (!err && file)
		err = py_text_find(v->mem, v->off, file, &u);
	if (!err && file && u.ascii && u.length > 3)
		err = mem_read(v->mem, u.data + u.length - 3, text, 3);
	err_drop(err);
	return !err && strcmp(text, ".so") == 0;
}

static void visit_any(struct walk *w, const char *key, uint64_t value)
{
	struct val_names *names = w->names;
	uint64_t flags = type_flags(w->v, value);
	if (!flags || flags & TYPE_HEAP)
		return;
	size_t i = find(names, value);
	if (i < names->n && names->item[i].key && strcmp(names->item[i].key, key) != 0)
		names->item[i].tp_name = NULL;
	if (i < names->n || names->n == NAMES_MAX)
		return;
	_cleanup_buf_ struct buf b = { 0 };
	buf_printf(&b, "%s.%s?", w->module, key);
	char *text = b.failed ? NULL : arena_strdup(&w->v->arena, b.data, b.len);
	if (!text)
		return;
	names->item[i].type = value;
	names->item[i].tp_name = text;
	names->item[i].key = arena_strdup(&w->v->arena, key, strlen(key));
	names->n++;
}

static void visit_c_module(struct walk *w, const char *key, uint64_t value)
{
	uint64_t dict = dict_of_module(w->v, value);
	if (!dict || !is_of_c(w->v, dict))
		return;
	w->module = key;
	visit_dict(w, dict, ITEMS_MAX, visit_any);
	w->module = NULL;
}

/*
 * By what a type is called in the one module of C's that has it.  It need not be its
 * name, so a question mark is put behind it.
 */
static void guess(struct py_values *v)
{
	struct walk w = { .v = v, .names = v->names };
	v->names->guessed = true;
	visit_dict(&w, v->names->modules, MODULES_MAX, visit_c_module);
}

/* ---- a type ---- */

/* One that is made at run time has its name in it, and its module in its dict. */
static const char *name_of_heap_type(struct py_values *v, const struct py_type *t)
{
	_cleanup_buf_ struct buf b = { 0 };
	char module[KEY_MAX] = "";
	uint64_t name, of = 0;
	if (v->lay.heap_type.qualname == PY_NONE || !t->dict)
		return NULL;
	/* ht_name, ht_slots, ht_qualname */
	struct err *err = val_word(v, t->addr - 16, v->lay.heap_type.qualname, &name);
	if (!err)
		err = val_dict_find(v, t->dict, "__module__", &of);
	if (!err && of && read_key(v, of, module))
		buf_printf(&b, "%s.", module);
	if (!err)
		err = py_text_str(v->mem, v->off, name, KEY_MAX, &b);
	err_drop(err);
	return err || b.failed ? NULL : arena_strdup(&v->arena, b.data, b.len);
}

const char *val_name_otherwise(struct py_values *v, const struct py_type *t)
{
	uint32_t reads = v->reads;
	const char *name = NULL;
	v->reads = FIND_READS;
	if (t->flags & TYPE_HEAP) {
		name = name_of_heap_type(v, t);
	} else {
		if (!v->names)
			v->names = make_names(v);
		if (v->names && find(v->names, t->addr) == v->names->n && !v->names->guessed) {
			v->reads = FIND_READS;
			guess(v);
		}
		if (v->names && find(v->names, t->addr) < v->names->n)
			name = v->names->item[find(v->names, t->addr)].tp_name;
	}
	v->reads = reads;
	return name ? name : "?";
}

/* ---- a member ---- */

/* The descriptor of a member, { head, d_type 0, d_name 8, d_qualname 16, d_member 24 }. */
static struct err *find_descr_name(struct py_values *v, const struct py_type *t, uint64_t def,
				   uint64_t *ret)
{
	struct val_dict d;
	uint64_t key, value, of;
	struct err *err = t->dict ? val_dict_open(v, t->dict, &d)
				  : err_new(ERR_NOT_FOUND, "no members' names");
	while (!err) {
		err = val_dict_next(v, &d, &key, &value);
		if (!err && !key)
			return err_new(ERR_NOT_FOUND, "no members' names");
		if (err || !val_is(v, value, "member_descriptor"))
			continue;
		err = val_field(v, value, 24, &of);
		if (!err && of == def)
			return val_field(v, value, 8, ret);
	}
	return err;
}

struct err *val_put_member_name(struct py_values *v, const struct py_type *t, uint64_t def)
{
	uint64_t name;
	size_t start = v->out->len;
	struct err *err = val_word(v, def, 0, &name); /* PyMemberDef.name */
	if (err)
		return err;
	err = py_text_cstr(v->mem, name, NAME_BYTES, v->out);
	if (!err)
		return NULL;
	err_drop(err);
	v->out->len = start;
	err = find_descr_name(v, t, def, &name);
	return err ? err : val_put_str(v, name);
}
