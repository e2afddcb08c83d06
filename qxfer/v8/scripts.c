/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/scripts.h"

#include <stdlib.h>
#include <string.h>

#define TAG_WORD      8	  /* ScopeInfo: its fields begin behind the map */
#define NAMES_INLINE  75  /* kScopeInfoMaxInlinedLocalNamesSize */
#define EVALUATED     1	  /* ScriptFlags: the compilation type */
#define FUNCTION_KIND 31u /* SharedFunctionInfo's flags */
#define OFFSET_MAX    (1 << 28)
#define DEBUG_FIELDS  8 /* of a DebugInfo that are searched for the script */

void scripts_deinit(struct v8_scripts *s)
{
	free(s->script);
	free(s->function);
	s->script = NULL;
	s->function = NULL;
	s->nscripts = s->scripts_cap = s->nfunctions = s->slots = s->counted = 0;
	s->failed = false;
}

/* ---- names ---- */

const char *scripts_text(struct v8_scripts *s, uint64_t string)
{
	_cleanup_buf_ struct buf b = { 0 };
	if (!heap_put_string(&s->heap, string, SCRIPTS_NAME_MAX, &b))
		return NULL;
	const char *text = b.failed ? NULL : arena_strdup(s->arena, b.data, b.len);
	s->failed = s->failed || !text;
	return text;
}

/* Bits of ScopeInfo's flags (src/objects/scope-info.tq). */
#define SCOPE_TYPE(flags)     ((flags)&15u)
#define SCOPE_HAS_CLASS_VAR   (1u << 10)
#define SCOPE_HAS_NAME(flags) ((flags) >> 12 & 3u)
#define SCOPE_HAS_INFERRED    (1u << 14)
#define SCOPE_START_EARLY     5 /* from here on the places come before the names */

/*
 * Which words of a ScopeInfo the name is in, the one inferred from an assignment, and where the
 * function's text begins; 0: none.
 */
struct scope_words {
	int name, inferred, start;
};

static bool find_scope_words(const struct v8_scripts *s, uint64_t scope, struct scope_words *ret)
{
	const int16_t *value = s->heap.layout->value;
	uint64_t word;
	int32_t locals;

	/* To 12.4 the flags are a Smi, later 32 bits. */
	if (!heap_field(&s->heap, scope, TAG_WORD, &word) ||
	    !heap_field_smi(&s->heap, scope, TAG_WORD + 2 * 8, &locals) || locals < 0 ||
	    locals > 1 << 20)
		return false;
	uint32_t flags = heap_is_smi(word) ? (uint32_t)(word >> 32) : (uint32_t)word;
	int at = value[V8_SCOPE_FIRST];
	at += SCOPE_TYPE(flags) == (uint32_t)value[V8_SCOPE_MODULE] && value[V8_SCOPE_COUNTS];
	at += locals < NAMES_INLINE ? locals : 1;
	at += locals;
	at += (flags & SCOPE_HAS_CLASS_VAR) != 0;
	*ret = (struct scope_words){ 0 };
	if (SCOPE_HAS_NAME(flags)) {
		ret->name = at;
		at += 2;
	}
	if (flags & SCOPE_HAS_INFERRED)
		ret->inferred = at++;
	ret->start = value[V8_SCOPE_FIRST] >= SCOPE_START_EARLY ? 3 : at;
	return true;
}

/* "" where the word is no string: it is then Smi zero, or undefined. */
static const char *scope_text(struct v8_scripts *s, uint64_t scope, int word)
{
	uint64_t string;
	if (!word)
		return "";
	if (!heap_field(&s->heap, scope, TAG_WORD + word * 8, &string))
		return NULL;
	return heap_is_string(&s->heap, &string) ? scripts_text(s, string) : "";
}

static const char *scope_name(struct v8_scripts *s, uint64_t scope)
{
	struct scope_words at;
	if (!find_scope_words(s, scope, &at))
		return NULL;
	const char *name = scope_text(s, scope, at.name);
	return name && !*name ? scope_text(s, scope, at.inferred) : name;
}

/* What V8 12 and later call the code that makes a class's fields; NULL: it is no such code. */
static const char *initializer_name(const struct v8_scripts *s, uint64_t shared)
{
	const int16_t *value = s->heap.layout->value;
	uint64_t flags;

	if (!heap_field(&s->heap, shared, value[V8_SHARED_FLAGS], &flags))
		return NULL;
	int kind = (int)(flags & FUNCTION_KIND);
	return kind == value[V8_KIND_MEMBERS]  ? "<instance_members_initializer>"
	       : kind == value[V8_KIND_STATIC] ? "<static_initializer>"
					       : NULL;
}

static const char *function_name(struct v8_scripts *s, uint64_t shared)
{
	uint64_t name;
	if (!heap_field(&s->heap, shared, s->heap.layout->value[V8_SHARED_NAME], &name))
		return NULL;
	if (heap_is_smi(name))
		return "";
	if (heap_is(&s->heap, &name, V8_T_SCOPE_INFO))
		return scope_name(s, name);
	return heap_is_string(&s->heap, &name) ? scripts_text(s, name) : NULL;
}

/* ---- scripts ---- */

/* Name, or what "//# sourceURL=" in its text calls it, which counts more. */
static const char *script_name(struct v8_scripts *s, uint64_t script)
{
	static const uint8_t fields[] = { V8_SCRIPT_SOURCE_URL, V8_SCRIPT_NAME };
	for (size_t i = 0; i < sizeof(fields); i++) {
		uint64_t name;
		if (!heap_field(&s->heap, script, s->heap.layout->value[fields[i]], &name) ||
		    !heap_is_string(&s->heap, &name))
			continue;
		const char *text = scripts_text(s, name);
		if (text && *text)
			return text;
	}
	return "";
}

static struct v8_script *add_script(struct v8_scripts *s, uint64_t addr)
{
	if (s->nscripts == s->scripts_cap) {
		size_t cap = s->scripts_cap ? s->scripts_cap * 2 : 32;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers */
		struct v8_script **more = reallocarray(s->script, cap, sizeof(*more));
		if (!more)
			return NULL;
		s->script = more;
		s->scripts_cap = cap;
	}
	struct v8_script *script = arena_alloc(s->arena, sizeof(*script));
	if (script)
		s->script[s->nscripts++] = script;
	if (script)
		script->addr = addr;
	return script;
}

static struct v8_script *find_script(struct v8_scripts *s, uint64_t addr)
{
	const int16_t *value = s->heap.layout->value;
	for (size_t i = 0; i < s->nscripts; i++)
		if (s->script[i]->addr == addr)
			return s->script[i];
	struct v8_script *script = add_script(s, addr);
	int32_t flags;
	if (!script) {
		s->failed = true;
		return NULL;
	}
	script->name = script_name(s, addr);
	script->evaluated =
		heap_field_smi(&s->heap, addr, value[V8_SCRIPT_FLAGS], &flags) && flags & EVALUATED;
	if (!heap_field_smi(&s->heap, addr, value[V8_SCRIPT_LINE_OFFSET], &script->line_offset) ||
	    !heap_field_smi(&s->heap, addr, value[V8_SCRIPT_COLUMN_OFFSET], &script->column_offset))
		script->broken = "the script's line offset is no number";
	else if (abs(script->line_offset) > OFFSET_MAX || abs(script->column_offset) > OFFSET_MAX)
		script->broken = "the script's line offset is out of bounds";
	return script;
}

/* Of a function that is debugged there is a DebugInfo, one of whose fields is the script. */
static uint64_t script_of(const struct v8_scripts *s, uint64_t shared)
{
	uint64_t object, field;
	if (!heap_field(&s->heap, shared, s->heap.layout->value[V8_SHARED_SCRIPT], &object))
		return 0;
	if (heap_is(&s->heap, &object, V8_T_SCRIPT))
		return object;
	for (int i = 1; heap_is_object(object) && i <= DEBUG_FIELDS; i++)
		if (heap_field(&s->heap, object, i * 8, &field) &&
		    heap_is(&s->heap, &field, V8_T_SCRIPT))
			return field;
	return 0;
}

/* ---- functions ---- */

static struct v8_function **find_slot(const struct v8_scripts *s, uint64_t shared)
{
	size_t i = (shared * 0x9e3779b97f4a7c15ull >> 20) & (s->slots - 1);
	while (s->function[i] && s->function[i]->shared != shared)
		i = (i + 1) & (s->slots - 1);
	return &s->function[i];
}

static bool make_slots(struct v8_scripts *s)
{
	struct v8_scripts old = *s;
	if (s->slots && s->nfunctions * 2 < s->slots)
		return true;
	s->slots = s->slots ? s->slots * 2 : 256;
	s->function = calloc(s->slots, sizeof(struct v8_function *));
	if (!s->function) {
		s->function = old.function;
		s->slots = old.slots;
		return false;
	}
	for (size_t i = 0; i < old.slots; i++)
		if (old.function[i])
			*find_slot(s, old.function[i]->shared) = old.function[i];
	free(old.function);
	return true;
}

static void fill_in(struct v8_scripts *s, struct v8_function *f)
{
	uint64_t script = script_of(s, f->shared);
	f->name = initializer_name(s, f->shared);
	if (!f->name)
		f->name = function_name(s, f->shared);
	if (!f->name) {
		f->name = "";
		f->broken = "the function's name cannot be read";
	}
	if (script)
		f->script = find_script(s, script);
	/* As V8's stacks have it. */
	if (!*f->name && f->script && f->script->evaluated)
		f->name = "eval";
}

struct v8_function *scripts_function(struct v8_scripts *s, uint64_t shared)
{
	if (!heap_is(&s->heap, &shared, V8_T_SHARED))
		return NULL;
	if (!make_slots(s)) {
		s->failed = true;
		return NULL;
	}
	struct v8_function **slot = find_slot(s, shared);
	if (*slot)
		return *slot;
	*slot = arena_alloc(s->arena, sizeof(**slot));
	if (!*slot) {
		s->failed = true;
		return NULL;
	}
	s->nfunctions++;
	(*slot)->shared = shared;
	fill_in(s, *slot);
	return *slot;
}

int32_t scripts_start(struct v8_scripts *s, struct v8_function *function)
{
	struct scope_words at;
	uint64_t scope;
	int32_t start;

	if (!heap_field(&s->heap, function->shared, s->heap.layout->value[V8_SHARED_NAME],
			&scope) ||
	    !heap_is(&s->heap, &scope, V8_T_SCOPE_INFO) || !find_scope_words(s, scope, &at) ||
	    !heap_field_smi(&s->heap, scope, TAG_WORD + at.start * 8, &start) || start < 0)
		return -1;
	return start;
}
