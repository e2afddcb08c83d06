/* SPDX-License-Identifier: MIT */
/* The registry: what was added, and where it lies. */
#include "qxfer/synth/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/synth/priv.h"

#define SLOTS_MIN 256u
#define UNNAMED	  "<unknown>" /* in DWARF an empty name is no name */

static bool list_add(struct list *l, void *item)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		void **grown = realloc((void *)l->item, cap * sizeof(void *));
		if (!grown)
			return false;
		l->item = grown;
		l->cap = cap;
	}
	l->item[l->n++] = item;
	return true;
}

struct function *synth_function_at(const struct synth *s, size_t i)
{
	return s->functions.item[i];
}

uint64_t synth_base_of(const struct synth *s, size_t i)
{
	return s->options.base + (s->first_slot + i) % SYNTH_GENERATIONS_MAX * SYNTH_SPACING;
}

uint32_t synth_text_len(const struct synth_code *code)
{
	return code->len ? code->len : 2;
}

/* ---- life ---- */

struct err *synth_create(const struct synth_options *options, struct synth **ret)
{
	struct synth *s = calloc(1, sizeof(*s));
	if (!s)
		return &err_nomem;
	s->options = *options;
	if (options->directory) {
		s->directory = strdup(options->directory);
		if (!s->directory) {
			synth_destroy(s);
			return &err_nomem;
		}
	}
	s->options.directory = s->directory;
	s->text_end = SPECIALS_END;
	s->next_function = s->next_generation = 1;
	*ret = s;
	return NULL;
}

static void drop_generations(struct synth *s)
{
	for (size_t i = 0; i < s->generations.n; i++) {
		struct generation *g = s->generations.item[i];
		buf_deinit(&g->image);
		free(g);
	}
	s->generations.n = 0;
}

void synth_destroy(struct synth *s)
{
	if (!s)
		return;
	drop_generations(s);
	arena_deinit(&s->arena);
	free((void *)s->functions.item);
	free((void *)s->files.item);
	free((void *)s->generations.item);
	free((void *)s->by_addr);
	free((void *)s->by_path);
	free(s->directory);
	free(s);
}

void synth_clear(struct synth *s)
{
	/* One more: what was pending may have been shown. */
	s->first_slot = (s->first_slot + s->generations.n + 1) % SYNTH_GENERATIONS_MAX;
	s->next_generation++;
	drop_generations(s);
	arena_reset(&s->arena);
	free((void *)s->by_addr);
	free((void *)s->by_path);
	s->by_addr = NULL;
	s->by_path = NULL;
	s->addr_slots = s->path_slots = s->naddrs = 0;
	s->functions.n = s->files.n = s->committed = 0;
	s->arena_bytes = s->image_bytes = 0;
	s->text_end = SPECIALS_END;
}

/* ---- copies ---- */

static void *take(struct synth *s, size_t len)
{
	void *p = arena_alloc(&s->arena, len);
	if (p)
		s->arena_bytes += len;
	return p;
}

static const char *take_path(struct synth *s, const char *path)
{
	size_t len = strnlen(path, SYNTH_PATH_MAX);
	s->arena_bytes += len + 1;
	return len ? arena_strdup(&s->arena, path, len)
		   : arena_strdup(&s->arena, UNNAMED, strlen(UNNAMED));
}

static size_t cut_utf8(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);
	if (len <= max)
		return len;
	len = max;
	while (len > max - 4 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* A name, fit for a terminal. */
static const char *take_name(struct synth *s, const char *name)
{
	size_t len = cut_utf8(name, SYNTH_NAME_MAX), n = 0;
	char *copy = take(s, len * 4 + sizeof(UNNAMED));
	if (!copy)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c < ' ' || c == 0x7f)
			n += (size_t)snprintf(copy + n, 5, "\\x%02x", c);
		else
			copy[n++] = (char)c;
	}
	copy[n] = '\0';
	return n ? copy : memcpy(copy, UNNAMED, sizeof(UNNAMED));
}

/* What its module is called: "os" of "/x/os.py" or "<frozen os>", "a" of "/x/a/__init__.py". */
static size_t find_stem(const char *path, const char **ret)
{
	static const char frozen[] = "<frozen ";
	if (strncmp(path, frozen, sizeof(frozen) - 1) == 0) {
		*ret = path + sizeof(frozen) - 1;
		return strcspn(*ret, ">");
	}
	const char *slash = strrchr(path, '/'), *end = path + strlen(path);
	bool package = slash && slash > path && strcmp(slash, "/__init__.py") == 0;

	if (package) {
		end = slash;
		slash = memrchr(path, '/', (size_t)(end - path));
	}
	*ret = slash ? slash + 1 : path;
	const char *dot = package ? NULL : strchr(*ret, '.');
	return (size_t)((dot && dot > *ret ? dot : end) - *ret);
}

/* What a debugger knows it by. */
static struct err *name_function(struct synth *s, struct function *f)
{
	const struct synth_code *code = &f->pub.code;
	f->plain = code->name;
	f->full = code->qualname;
	if (!s->options.is_taken || !s->options.is_taken(s->options.ctx, code->name))
		return NULL;
	if (!strchr(code->qualname, '.')) {
		char name[64 + SYNTH_NAME_MAX * 4];
		const char *stem;
		size_t len = find_stem(code->file, &stem);
		snprintf(name, sizeof(name), "%.*s.%s", (int)(len < 60 ? len : 60), stem,
			 code->qualname);
		f->full = take_name(s, name);
	}
	f->plain = f->full;
	return f->full ? NULL : &err_nomem;
}

static struct err *copy_variables(struct synth *s, const struct synth_code *code,
				  struct synth_code *copy)
{
	size_t n = code->nvariables < SYNTH_VARIABLES_MAX ? code->nvariables : SYNTH_VARIABLES_MAX;
	struct synth_variable *variables = take(s, n * sizeof(*variables));
	if (!variables)
		return &err_nomem;
	for (size_t i = 0; i < n; i++) {
		variables[i].name = take_name(s, code->variables[i].name);
		variables[i].argument = code->variables[i].argument;
		if (!variables[i].name)
			return &err_nomem;
	}
	copy->variables = variables;
	copy->nvariables = n;
	return NULL;
}

static struct err *copy_rows(struct synth *s, const struct synth_code *code,
			     struct synth_code *copy)
{
	struct synth_row *made = calloc(code->nrows * 2 + 1, sizeof(*made));
	if (!made)
		return &err_nomem;
	struct err *err = synth_rows(code, made, &copy->nrows);
	struct synth_row *rows = err ? NULL : take(s, copy->nrows * sizeof(*rows));
	if (rows)
		memcpy(rows, made, copy->nrows * sizeof(*rows));
	else if (!err)
		err = &err_nomem;
	copy->rows = rows;
	free(made);
	return err;
}

static struct err *copy_code(struct synth *s, const struct synth_code *code, const char *file,
			     struct synth_code *copy)
{
	copy->addr = code->addr;
	copy->first_line = code->first_line > 0 ? code->first_line : 1;
	copy->len = code->len;
	copy->file = file;
	copy->name = take_name(s, code->name);
	copy->qualname = copy->name;
	if (code->qualname && strcmp(code->qualname, code->name) != 0)
		copy->qualname = take_name(s, code->qualname);
	if (!copy->name || !copy->qualname)
		return &err_nomem;
	struct err *err = copy_rows(s, code, copy);
	return err ? err : copy_variables(s, code, copy);
}

/* ---- tables ---- */

static uint64_t hash_addr(uint64_t addr)
{
	return (addr >> 4) * 0x9e3779b97f4a7c15ull >> 32;
}

static uint64_t hash_path(const char *path)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < SYNTH_PATH_MAX && path[i]; i++)
		h = (h ^ (unsigned char)path[i]) * 0x100000001b3ull;
	return h >> 16;
}

static struct function **addr_slot(struct function **slot, size_t n, uint64_t addr)
{
	size_t i = hash_addr(addr) & (n - 1);
	while (slot[i] && slot[i]->pub.code.addr != addr)
		i = (i + 1) & (n - 1);
	return &slot[i];
}

static struct file **path_slot(struct file **slot, size_t n, const char *path)
{
	size_t i = hash_path(path) & (n - 1);
	while (slot[i] && strncmp(slot[i]->path, path, SYNTH_PATH_MAX) != 0)
		i = (i + 1) & (n - 1);
	return &slot[i];
}

static bool grow_addrs(struct synth *s)
{
	if (s->naddrs * 2 < s->addr_slots)
		return true;
	size_t n = s->addr_slots ? s->addr_slots * 2 : SLOTS_MIN;
	struct function **slot =
		calloc(n, sizeof(struct function *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!slot)
		return false;
	for (size_t i = 0; i < s->addr_slots; i++)
		if (s->by_addr[i])
			*addr_slot(slot, n, s->by_addr[i]->pub.code.addr) = s->by_addr[i];
	free((void *)s->by_addr);
	s->by_addr = slot;
	s->addr_slots = n;
	return true;
}

static bool grow_paths(struct synth *s)
{
	if (s->files.n * 2 < s->path_slots)
		return true;
	size_t n = s->path_slots ? s->path_slots * 2 : SLOTS_MIN;
	struct file **slot =
		calloc(n, sizeof(struct file *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!slot)
		return false;
	for (size_t i = 0; i < s->path_slots; i++)
		if (s->by_path[i])
			*path_slot(slot, n, s->by_path[i]->path) = s->by_path[i];
	free((void *)s->by_path);
	s->by_path = slot;
	s->path_slots = n;
	return true;
}

static struct err *find_file(struct synth *s, const char *path, struct file **ret)
{
	if (!path[0])
		path = UNNAMED;
	if (!grow_paths(s))
		return &err_nomem;
	struct file **slot = path_slot(s->by_path, s->path_slots, path);
	if (!*slot) {
		struct file *f = take(s, sizeof(*f));
		if (!f)
			return &err_nomem;
		f->path = take_path(s, path);
		f->number = (uint32_t)s->files.n;
		if (!f->path || !list_add(&s->files, f))
			return &err_nomem;
		*slot = f;
	}
	*ret = *slot;
	return NULL;
}

/* ---- adding ---- */

static struct err *check_room(const struct synth *s, const struct synth_code *code)
{
	if (code->len > SYNTH_CODE_MAX || code->nrows > SYNTH_ROWS_MAX)
		return err_new(ERR_BAD_DATA, "code object at 0x%llx is implausibly long",
			       (unsigned long long)code->addr);
	size_t rows = (code->nrows * 2 + 1) * sizeof(*code->rows);
	if (s->functions.n >= SYNTH_FUNCTIONS_MAX ||
	    s->generations.n >= SYNTH_GENERATIONS_MAX - 1 ||
	    s->text_end + code->len > SYNTH_TEXT_MAX ||
	    s->arena_bytes + s->image_bytes + rows + code->len > SYNTH_BYTES_MAX)
		return err_new(ERR_STATE, "more code objects than are served");
	return NULL;
}

/* Makes @f the one that is at its address. */
static void put_in_front(struct synth *s, struct function *f)
{
	struct function **slot = addr_slot(s->by_addr, s->addr_slots, f->pub.code.addr);
	s->naddrs += !*slot;
	if (*slot)
		(*slot)->pub.stale = true;
	f->older = *slot;
	f->pub.stale = false;
	*slot = f;
}

/* One that was at the address before and is again. */
static void bring_back(struct synth *s, struct function *f)
{
	struct function **slot = addr_slot(s->by_addr, s->addr_slots, f->pub.code.addr);
	struct function **link = slot;
	while (*link != f)
		link = &(*link)->older;
	*link = f->older;
	f->older = *slot;
	if (*slot)
		(*slot)->pub.stale = true;
	f->pub.stale = false;
	*slot = f;
}

static struct err *make_function(struct synth *s, const struct synth_code *code,
				 uint64_t fingerprint, struct function **ret)
{
	struct file *file;
	struct function *f = take(s, sizeof(*f));
	if (!f || !grow_addrs(s))
		return &err_nomem;
	struct err *err = find_file(s, code->file, &file);
	if (!err)
		err = copy_code(s, code, file->path, &f->pub.code);
	if (!err)
		err = name_function(s, f);
	if (err)
		return err;
	if (!list_add(&s->functions, f))
		return &err_nomem;
	f->pub.fingerprint = fingerprint;
	f->pub.number = s->next_function++;
	f->pub.generation = s->next_generation;
	f->pub.pc = synth_base_of(s, s->generations.n) + s->text_end;
	f->file = file;
	f->in_file = file->last;
	file->last = f;
	/* A return address behind a function's last byte is not another function's. */
	s->text_end += synth_text_len(code) + 2;
	s->text_end = (s->text_end + FUNCTION_ALIGN - 1) & ~(size_t)(FUNCTION_ALIGN - 1);
	*ret = f;
	return NULL;
}

struct err *synth_add(struct synth *s, const struct synth_code *code,
		      const struct synth_function **ret)
{
	uint64_t fingerprint = synth_fingerprint(code);
	struct function *f = s->by_addr ? *addr_slot(s->by_addr, s->addr_slots, code->addr) : NULL;
	while (f && f->pub.fingerprint != fingerprint)
		f = f->older;
	if (f) {
		if (f->pub.stale)
			bring_back(s, f);
		*ret = &f->pub;
		return NULL;
	}
	struct err *err = check_room(s, code);
	if (!err)
		err = make_function(s, code, fingerprint, &f);
	if (err)
		return err;
	put_in_front(s, f);
	*ret = &f->pub;
	return NULL;
}

const struct synth_function *synth_find(const struct synth *s, uint64_t addr)
{
	const struct function *f = s->by_addr ? *addr_slot(s->by_addr, s->addr_slots, addr) : NULL;
	return f ? &f->pub : NULL;
}

/* ---- committing ---- */

bool synth_is_pending(const struct synth *s)
{
	return s->committed < s->functions.n;
}

static int by_file(const void *a, const void *b)
{
	const struct function *x = *(struct function *const *)a, *y = *(struct function *const *)b;
	if (x->file->number != y->file->number)
		return x->file->number < y->file->number ? -1 : 1;
	return x->pub.number < y->pub.number ? -1 : x->pub.number > y->pub.number;
}

static bool write_generation(const struct synth *s, struct generation *g)
{
	struct plan plan = {
		.n = g->end - g->first,
		.first = s->generations.n == 0,
		.no_main = s->options.no_main,
		.options = &s->options,
		.jit = s->generations.n == 0 && s->options.jit,
		.directory = s->directory,
		.base = synth_base_of(s, s->generations.n),
		.text_end = s->text_end,
		.name = g->pub.name,
	};
	plan.functions =
		calloc(plan.n, sizeof(struct function *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!plan.functions)
		return false;
	for (size_t i = 0; i < plan.n; i++)
		plan.functions[i] = synth_function_at(s, g->first + i);
	qsort((void *)plan.functions, plan.n, sizeof(struct function *),
	      by_file); /* NOLINT(bugprone-sizeof-expression) */
	bool ok = elf_write(&g->image, &plan, &g->pub);
	free((void *)plan.functions);
	return ok;
}

struct err *synth_commit(struct synth *s, const struct synth_generation **ret)
{
	*ret = NULL;
	if (!synth_is_pending(s))
		return NULL;
	struct generation *g = calloc(1, sizeof(*g));
	if (!g)
		return &err_nomem;
	g->first = s->committed;
	g->end = s->functions.n;
	g->pub.number = s->next_generation;
	snprintf(g->pub.name, sizeof(g->pub.name), "py-%u.so", g->pub.number);
	if (!write_generation(s, g) || !list_add(&s->generations, g)) {
		buf_deinit(&g->image);
		free(g);
		return &err_nomem;
	}
	s->image_bytes += g->image.cap;
	s->committed = g->end;
	s->next_generation++;
	s->text_end = SPECIALS_END;
	*ret = &g->pub;
	return NULL;
}
