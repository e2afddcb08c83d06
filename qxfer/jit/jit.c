/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/jit.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/area.h"
#include "qxfer/jit/object.h"

#define AREAS_MAX   256u
#define OBJECTS_MAX 4096u

struct jit {
	struct flow *flow; /* NULL: no decoder */
	const struct jit_store *store;
	uint64_t epoch, generation;
	const struct mem *mem;
	struct object **object; /* in no order */
	size_t nobjects, objects_cap;
	struct perfmap names;
	struct area **area;
	size_t nareas, areas_cap;
	struct jit_region *region;
	size_t nregions, regions_cap;
};

static const struct {
	const char *name, *text;
} kinds[JIT_KINDS] = {
	[JIT_GAP] = { "gap", "code without an unwind table" },
	[JIT_V8_BUILTINS] = { "v8-builtins", "V8's embedded builtins" },
	[JIT_V8_CODE] = { "v8-code", "code that V8 compiled from JavaScript" },
	[JIT_WASM] = { "wasm", "WebAssembly, or code alike" },
	[JIT_PERF_TRAMPOLINE] = { "perf-trampolines", "CPython's trampolines for perf" },
	[JIT_PYTHON] = { "python-jit", "code that CPython compiled" },
	[JIT_UNKNOWN] = { "unknown", "code of unknown origin" },
};

const char *jit_kind_name(enum jit_kind kind)
{
	return kinds[kind].name;
}

const char *jit_kind_text(enum jit_kind kind)
{
	return kinds[kind].text;
}

struct err *jit_create(struct jit **ret)
{
	struct jit *j = calloc(1, sizeof(*j));
	if (!j)
		return &err_nomem;
	struct err *err = flow_create(&j->flow);
	if (err && err->code == ERR_NOMEM) {
		free(j);
		return err;
	}
	err_drop(err); /* by the fallback then */
	*ret = j;
	return NULL;
}

static void forget(struct jit *j)
{
	for (size_t i = 0; i < j->nobjects; i++)
		object_free(j->object[i]);
	for (size_t i = 0; i < j->nareas; i++) {
		area_deinit(j->area[i]);
		free(j->area[i]);
	}
	j->nobjects = j->nareas = 0;
}

void jit_destroy(struct jit *j)
{
	if (!j)
		return;
	forget(j);
	flow_destroy(j->flow);
	perfmap_deinit(&j->names);
	free(j->object);
	free(j->area);
	free(j->region);
	free(j);
}

void jit_set_store(struct jit *j, const struct jit_store *store)
{
	j->store = store;
}

/* ---- the same as before? ---- */

static bool is_object(const struct object *o, const struct space *s)
{
	const struct map *m = maps_find(s->maps, o->first);
	return m && m->start == o->first && m->dev == o->dev && m->inode == o->inode;
}

bool jit_is_compiled(const struct map *m)
{
	/* "[anon:v8]", "/memfd:.. (deleted)": what a runtime maps to compile into. */
	bool anonymous = !m->inode && (!m->path[0] || strncmp(m->path, "[anon", 5) == 0);
	bool memory_file =
		strncmp(m->path, "/memfd:", 7) == 0 || strncmp(m->path, "//anon", 6) == 0;
	return m->prot & MAP_X && m->prot & MAP_R && (anonymous || memory_file);
}

static bool is_area(const struct area *a, const struct space *s)
{
	const struct map *m = maps_find(s->maps, a->start);
	return m && m->start == a->start && m->end == a->end && jit_is_compiled(m);
}

static void keep_what_is(struct jit *j, const struct space *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < j->nobjects; i++) {
		if (is_object(j->object[i], s))
			j->object[kept++] = j->object[i];
		else
			object_free(j->object[i]);
	}
	j->nobjects = kept;
	kept = 0;
	for (size_t i = 0; i < j->nareas; i++) {
		struct area *a = j->area[i];
		if (is_area(a, s)) {
			j->area[kept++] = a;
			continue;
		}
		area_deinit(a);
		free(a);
	}
	j->nareas = kept;
}

static void refresh(struct jit *j, const struct space *s)
{
	if (j->epoch == s->epoch && j->generation == s->mem->generation && j->mem == s->mem)
		return;
	if (j->epoch != s->epoch || j->mem != s->mem)
		forget(j);
	else
		keep_what_is(j, s);
	if (j->nareas || j->names.text || j->epoch != s->epoch)
		perfmap_refresh(&j->names, s);
	j->epoch = s->epoch;
	j->generation = s->mem->generation;
	j->mem = s->mem;
}

/* ---- images ---- */

static bool grow(void **array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return true;
	size_t more = *cap ? *cap * 2 : 16;
	void *bigger = reallocarray(*array, more, size);
	if (!bigger)
		return false;
	*array = bigger;
	*cap = more;
	return true;
}

/* The one that begins with @first; NULL: it is none. */
static struct err *get_object(struct jit *j, const struct space *s, const struct map *first,
			      struct object **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < j->nobjects; i++) {
		if (j->object[i]->first == first->start) {
			*ret = j->object[i];
			return NULL;
		}
	}
	if (j->nobjects >= OBJECTS_MAX)
		return NULL;
	if (!grow((void **)&j->object, j->nobjects, &j->objects_cap, sizeof(void *)))
		return &err_nomem;
	struct err *err = object_open(s, first, j->flow, j->store, ret);
	if (*ret)
		j->object[j->nobjects++] = *ret;
	return err;
}

static bool begins_image(const struct map *m)
{
	return m->inode && m->offset == 0 && m->prot & MAP_R;
}

static bool is_same_file(const struct map *a, const struct map *b)
{
	return a->inode && a->dev == b->dev && a->inode == b->inode;
}

/*
 * The first mapping of the image that @m is of, and where in it what is at @m->start is: V8 maps its
 * builtins a second time, near the code that it compiles.
 */
static const struct map *image_of(const struct space *s, const struct map *m, uint64_t *at)
{
	const struct map *first = NULL;
	for (size_t i = 0; i < s->maps->n; i++) {
		const struct map *o = &s->maps->map[i];
		if (!is_same_file(o, m))
			continue;
		if (begins_image(o))
			first = o;
		if (first && o->prot & MAP_X && o->offset <= m->offset &&
		    m->offset - o->offset < o->end - o->start) {
			*at = o->start + (m->offset - o->offset);
			return first;
		}
	}
	return NULL;
}

/* ---- areas ---- */

static struct err *get_area(struct jit *j, const struct space *s, const struct map *m,
			    struct area **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < j->nareas && !*ret; i++)
		if (j->area[i]->start == m->start)
			*ret = j->area[i];
	if (!*ret) {
		if (j->nareas >= AREAS_MAX || m->end - m->start > AREA_SIZE_MAX)
			return NULL;
		struct area *a = calloc(1, sizeof(*a));
		if (!a || !grow((void **)&j->area, j->nareas, &j->areas_cap, sizeof(void *))) {
			free(a);
			return &err_nomem;
		}
		a->start = m->start;
		a->end = m->end;
		j->area[j->nareas++] = a;
		*ret = a;
	}
	(*ret)->names = &j->names;
	return area_refresh(*ret, s, j->flow);
}

/* ---- one place ---- */

static bool fill_place(const struct jit_table *t, uint64_t base, uint64_t pc, struct jit_place *ret)
{
	uint32_t offset = (uint32_t)(pc - base);
	const struct jit_rule *rule = jit_table_find(t, offset);
	const struct jit_func *f = jit_table_func(t, offset);

	if (!rule)
		return false;
	ret->rule = *rule;
	ret->name = f && f->name ? jit_table_name(t, f) : NULL;
	if (f) {
		ret->start = base + f->start;
		ret->end = ret->start + f->len;
	}
	return true;
}

static struct err *find_in_image(struct jit *j, const struct space *s, const struct map *m,
				 uint64_t pc, struct jit_place *ret)
{
	uint64_t at = 0;
	struct object *o = NULL;
	const struct map *first = image_of(s, m, &at);
	struct err *err = first ? get_object(j, s, first, &o) : NULL;

	if (err || !o)
		return err;
	uint64_t move = m->start - at; /* 0 unless it is mapped twice */
	uint64_t offset = pc - move - o->lo;
	const struct object_part *part = object_part_at(o, offset);
	if (!part || !fill_place(&o->table, o->lo + move, pc, ret))
		return NULL;
	ret->kind = (enum jit_kind)part->kind;
	if (!ret->end) {
		ret->start = o->lo + move + part->start;
		ret->end = o->lo + move + part->end;
	}
	return NULL;
}

static struct err *find_in_area(struct jit *j, const struct space *s, const struct map *m,
				uint64_t pc, struct jit_place *ret)
{
	struct area *a;
	struct err *err = get_area(j, s, m, &a);

	if (err || !a || !fill_place(&a->table, a->start, pc, ret))
		return err;
	ret->kind = a->kind;
	if (!ret->end) {
		ret->start = a->start;
		ret->end = a->end;
	}
	return NULL;
}

bool jit_find(struct jit *j, const struct space *s, uint64_t pc, struct jit_place *ret)
{
	const struct map *m = maps_find(s->maps, pc);
	struct jit_place place = { 0 };
	struct err *err;

	if (!m || !(m->prot & MAP_X))
		return false;
	refresh(j, s);
	if (jit_is_compiled(m))
		err = find_in_area(j, s, m, pc, &place);
	else
		err = find_in_image(j, s, m, pc, &place);
	if (err || !place.end) {
		err_drop(err); /* of memory alone: then it is as if it were not known */
		return false;
	}
	*ret = place;
	return true;
}

/* ---- all of them ---- */

static struct err *add_region(struct jit *j, const struct jit_region *r)
{
	if (!grow((void **)&j->region, j->nregions, &j->regions_cap, sizeof(*j->region)))
		return &err_nomem;
	j->region[j->nregions++] = *r;
	return NULL;
}

/* What of an image's parts is seen in the mapping @m, which shows it from @at on. */
static struct err *survey_image(struct jit *j, const struct map *m, const struct object *o,
				uint64_t at)
{
	uint64_t base = o->lo + (m->start - at), lo = at - o->lo, hi = lo + (m->end - m->start);
	struct err *err = NULL;

	for (size_t i = 0; i < o->nparts && !err; i++) {
		const struct object_part *p = &o->part[i];
		uint64_t start = p->start > lo ? p->start : lo, end = p->end < hi ? p->end : hi;
		if (start >= end)
			continue;
		const struct jit_region r = { .start = base + start,
					      .end = base + end,
					      .kind = (enum jit_kind)p->kind,
					      .path = o->path,
					      .table = &o->table,
					      .base = base,
					      .fixed = true,
					      .second = m->start != at };
		err = add_region(j, &r);
	}
	return err;
}

static struct err *survey_map(struct jit *j, const struct space *s, const struct map *m)
{
	struct area *a;
	struct object *o = NULL;
	uint64_t at = 0;

	if (!jit_is_compiled(m)) {
		const struct map *first = image_of(s, m, &at);
		struct err *err = first ? get_object(j, s, first, &o) : NULL;
		return err || !o ? err : survey_image(j, m, o, at);
	}
	struct err *err = get_area(j, s, m, &a);
	if (err || !a)
		return err;
	const struct jit_region r = { .start = a->start,
				      .end = a->end,
				      .kind = a->kind,
				      .table = &a->table,
				      .base = a->start,
				      .version = a->version };
	return add_region(j, &r);
}

struct err *jit_survey(struct jit *j, const struct space *s, const struct jit_region **ret,
		       size_t *n)
{
	struct err *err = NULL;

	refresh(j, s);
	j->nregions = 0;
	for (size_t i = 0; i < s->maps->n && !err; i++)
		if (s->maps->map[i].prot & MAP_X)
			err = survey_map(j, s, &s->maps->map[i]);
	*ret = j->region;
	*n = j->nregions;
	return err;
}
