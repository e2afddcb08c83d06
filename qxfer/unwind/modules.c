/* SPDX-License-Identifier: MIT */
#include "qxfer/unwind/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stub/base/image.h"

/* Mappings looked through backwards for the one that an image begins with. */
#define BACK_MAX 64u

static void module_free(struct module *m)
{
	if (!m)
		return;
	symbols_deinit(&m->symbols);
	free(m->index);
	free(m->path);
	free(m);
}

void modules_deinit(struct modules *ms)
{
	for (size_t i = 0; i < ms->n; i++)
		module_free(ms->module[i]);
	free(ms->module);
	*ms = (struct modules){ 0 };
}

/* ---- the same as before? ---- */

static bool is_same(const struct map *a, const struct map *b, const char *path)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset &&
	       a->dev == b->dev && a->inode == b->inode && strcmp(path, b->path) == 0;
}

static bool is_mapped(const struct module *m, const struct space *s)
{
	const struct map *now = maps_find(s->maps, m->first.start);
	return now && is_same(&m->first, now, m->path);
}

void modules_refresh(struct modules *ms, const struct space *s, bool *changed)
{
	size_t kept = 0;
	*changed = false;
	if (ms->epoch == s->epoch && ms->generation == s->mem->generation && ms->mem == s->mem)
		return;
	for (size_t i = 0; i < ms->n; i++) {
		if (ms->epoch == s->epoch && ms->mem == s->mem && is_mapped(ms->module[i], s))
			ms->module[kept++] = ms->module[i];
		else
			module_free(ms->module[i]);
	}
	*changed = kept != ms->n;
	ms->n = kept;
	ms->epoch = s->epoch;
	ms->generation = s->mem->generation;
	ms->mem = s->mem;
	ms->to_open = MODULES_OPENED_MAX;
	ms->to_index = MODULES_INDEXED_MAX;
	ms->to_name = MODULES_NAMED_MAX;
	memset(&ms->vain, 0, sizeof(ms->vain));
}

/* ---- finding one ---- */

/* How many begin at or below @addr. */
static size_t count_below(const struct modules *ms, uint64_t addr)
{
	size_t lo = 0, hi = ms->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (ms->module[mid]->lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_vdso(const struct map *m)
{
	return strcmp(m->path, "[vdso]") == 0;
}

/* An image spans mappings of one file, with unnamed ones (.bss) perhaps between. */
static const struct map *first_map(const struct space *s, const struct map *m)
{
	const struct map *first = s->maps->map;
	for (unsigned int i = 0; i < BACK_MAX; i++, m--) {
		if ((m->offset == 0 && m->inode && m->prot & MAP_R) || is_vdso(m))
			return m;
		if (m == first)
			break;
	}
	return NULL;
}

static int open_file(const struct module *m, const struct space *s)
{
	struct map first = m->first;
	first.path = m->path;
	return s->open_map ? s->open_map(s->ctx, &first) : -1;
}

/* Statically linked programs have no .eh_frame_hdr, but the section in their file. */
static struct err *index_table(struct modules *ms, struct module *m, const struct space *s,
			       struct image *img)
{
	struct cfi_source source = { .mem = s->mem, .left = ms->to_index };
	struct image_symbol section;
	int fd = img->unwind ? -1 : open_file(m, s);
	struct err *err = fd < 0 ? NULL : image_add_file(img, fd);
	if (!err && fd >= 0 && image_find_section(img, ".eh_frame", &section) &&
	    section.addr >= m->lo && section.addr < m->hi)
		err = cfi_index(&m->table, &source, section.addr, section.size, &m->index,
				&m->table.n);
	m->table.index = m->index;
	ms->to_index = source.left;
	image_deinit(img);
	if (!err || err->code == ERR_NOMEM)
		return err;
	err_drop(err); /* not the file that is mapped */
	return NULL;
}

/* The image whose first mapping is @first, if it holds @addr; else *ret is NULL. */
static struct err *open_module(struct modules *ms, const struct space *s, const struct map *first,
			       uint64_t addr, struct module **ret)
{
	struct image img;
	*ret = NULL;
	struct err *err = image_open(s->mem, first->start, &img);
	if (err || addr < img.lo || addr >= img.hi) {
		ms->vain.first = first->start;
		ms->vain.lo = err ? 0 : img.lo;
		ms->vain.hi = err ? 0 : img.hi;
		err_drop(err); /* no image: code from elsewhere */
		return NULL;
	}
	struct module *m = calloc(1, sizeof(*m));
	char *path = strdup(first->path);
	if (!m || !path) {
		free(m);
		free(path);
		return &err_nomem;
	}
	*m = (struct module){
		.first = *first,
		.lo = img.lo,
		.hi = img.hi,
		.bias = img.bias,
		.path = path,
		.table = { .hdr = img.unwind, .lo = img.lo, .hi = img.hi },
	};
	m->first.path = NULL;
	err = index_table(ms, m, s, &img);
	if (err)
		module_free(m);
	else
		*ret = m;
	return err;
}

static struct err *insert(struct modules *ms, struct module *m)
{
	if (ms->n == ms->cap) {
		size_t cap = ms->cap ? ms->cap * 2 : 32;
		struct module **more = reallocarray((void *)ms->module, cap, sizeof(void *));
		if (!more)
			return &err_nomem;
		ms->module = more;
		ms->cap = cap;
	}
	size_t at = count_below(ms, m->lo);
	memmove(&ms->module[at + 1], &ms->module[at], (ms->n - at) * sizeof(struct module *));
	ms->module[at] = m;
	ms->n++;
	return NULL;
}

/* Whether the image that @first begins is known not to hold @addr, or not to be looked at. */
static bool is_in_vain(struct modules *ms, const struct map *first, uint64_t addr)
{
	if (first->start == ms->vain.first && (addr < ms->vain.lo || addr >= ms->vain.hi))
		return true;
	return !ms->to_open || !ms->to_open--;
}

struct err *modules_find(struct modules *ms, const struct space *s, uint64_t addr,
			 struct module **ret)
{
	size_t below = count_below(ms, addr);
	*ret = NULL;
	if (below && addr < ms->module[below - 1]->hi) {
		*ret = ms->module[below - 1];
		return NULL;
	}
	const struct map *map = maps_find(s->maps, addr);
	const struct map *first = map && ms->n < MODULES_MAX ? first_map(s, map) : NULL;
	if (!first || is_in_vain(ms, first, addr))
		return NULL;
	struct module *m;
	struct err *err = open_module(ms, s, first, addr, &m);
	if (err || !m)
		return err;
	err = insert(ms, m);
	if (err)
		module_free(m);
	else
		*ret = m;
	return err;
}

/* ---- names ---- */

/* @crc: of the file, if that may show that it is the one; NULL: only the build-id may. */
static struct err *add_debug_file(struct module *m, const struct space *s, struct image *img,
				  const char *path, const uint32_t *crc, bool *added)
{
	struct stat st;
	int fd = s->open_path ? s->open_path(s->ctx, path) : -1;
	struct err *err = NULL;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		err = symbols_add_debug(&m->symbols, img, fd, crc, added);
	close(fd);
	return err;
}

/* GDB manual, "Separate Debug Files": by build-id, where distributions put them. */
static struct err *add_debug_by_id(struct module *m, const struct space *s, struct image *img,
				   bool *added)
{
	uint8_t id[32];
	char path[128];
	size_t len = image_build_id(img, id, sizeof(id));
	if (len < 2)
		return NULL;
	int n = snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%02x/", id[0]);
	for (size_t i = 1; i < len; i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "%02x", id[i]);
	snprintf(path + n, sizeof(path) - (size_t)n, ".debug");
	return add_debug_file(m, s, img, path, NULL, added);
}

/* By the name in .gnu_debuglink, in the places that the same section of the manual names. */
static struct err *add_debug_by_link(struct module *m, const struct space *s, struct image *img,
				     bool *added)
{
	static const struct {
		const char *before, *after; /* the image's folder */
	} places[] = { { "", "" }, { "", "/.debug" }, { "/usr/lib/debug", "" } };
	char name[256], path[5000];
	uint32_t crc;
	const char *slash = strrchr(m->path, '/');
	struct err *err = NULL;
	if (!slash || slash - m->path > 4096 || !image_debug_link(img, name, sizeof(name), &crc) ||
	    strchr(name, '/'))
		return NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !err && !*added; i++) {
		snprintf(path, sizeof(path), "%s%.*s%s/%s", places[i].before,
			 (int)(slash - m->path), m->path, places[i].after, name);
		err = add_debug_file(m, s, img, path, &crc, added);
	}
	return err;
}

static struct err *read_symbols(struct module *m, const struct space *s, struct image *img)
{
	bool added = false;
	struct err *err = symbols_add_dynamic(&m->symbols, img);
	int fd = err ? -1 : open_file(m, s);
	if (fd >= 0) {
		err = image_add_file(img, fd);
		(void)err_catch(&err, ERR_BAD_DATA); /* not what is mapped: no names from it */
	}
	if (!err)
		err = symbols_add_static(&m->symbols, img);
	if (!err)
		err = add_debug_by_id(m, s, img, &added);
	if (!err && !added)
		err = add_debug_by_link(m, s, img, &added);
	symbols_sort(&m->symbols);
	return err;
}

struct err *modules_symbol(struct modules *ms, struct module *m, const struct space *s,
			   uint64_t addr, const char **name, uint64_t *offset)
{
	if (!m->symbols_read && ms->to_name) {
		_cleanup_image_ struct image img = { .fd = -1 };
		m->symbols_read = true;
		struct err *err = image_open(s->mem, m->first.start, &img);
		if (!err)
			err = read_symbols(m, s, &img);
		ms->to_name -=
			m->symbols.looked_at < ms->to_name ? m->symbols.looked_at : ms->to_name;
		if (err && err->code == ERR_NOMEM)
			return err;
		err_drop(err); /* without names then */
	}
	*name = symbols_find(&m->symbols, addr, offset);
	return NULL;
}
