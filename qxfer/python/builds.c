/* SPDX-License-Identifier: MIT */
#include "qxfer/python/builds.h"

#include <string.h>

#include "stub/base/image.h"

/* Images looked at for one process. */
#define IMAGES_MAX 4096u

struct identity {
	uint8_t id[sizeof(((struct py_build_seen *)0)->id)];
	size_t id_len;
	uint64_t bias, lo, hi;
};

static bool identify(const struct space *s, const struct map *m, struct identity *ret)
{
	_cleanup_image_ struct image img = { .fd = -1 };
	if (m->offset || !m->inode || !(m->prot & MAP_R) || m->prot & MAP_SHARED_MEM)
		return false;
	struct err *err = image_open(s->mem, m->start, &img);
	err_drop(err);
	if (err)
		return false;
	ret->bias = img.bias;
	ret->lo = img.lo;
	ret->hi = img.hi;
	ret->id_len = image_build_id(&img, ret->id, sizeof(ret->id));
	return ret->id_len != 0;
}

static const struct py_build_seen *find_seen(const struct py_builds *b, const struct identity *id)
{
	for (size_t i = 0; i < PY_BUILDS_MAX; i++)
		if (b->seen[i].id_len == id->id_len &&
		    memcmp(b->seen[i].id, id->id, id->id_len) == 0)
			return &b->seen[i];
	return NULL;
}

bool py_builds_find(const struct py_builds *b, const struct space *s, struct py_runtime *ret)
{
	if (!b->seen[0].id_len)
		return false;
	for (size_t i = 0; i < s->maps->n && i < IMAGES_MAX; i++) {
		struct identity id;
		if (!identify(s, &s->maps->map[i], &id))
			continue;
		const struct py_build_seen *seen = find_seen(b, &id);
		if (seen && py_runtime_try(s, id.bias + seen->at, seen->version_hex, ret))
			return true;
	}
	return false;
}

void py_builds_note(struct py_builds *b, const struct space *s, const struct py_runtime *rt)
{
	if (rt->current || rt->gc_collecting) /* 3.6: there is more to it than one address */
		return;
	for (size_t i = 0; i < s->maps->n && i < IMAGES_MAX; i++) {
		struct identity id;
		if (!identify(s, &s->maps->map[i], &id) || rt->addr < id.lo || rt->addr >= id.hi)
			continue;
		if (find_seen(b, &id))
			return;
		struct py_build_seen *e = &b->seen[b->next++ % PY_BUILDS_MAX];
		*e = (struct py_build_seen){ .id_len = id.id_len,
					     .at = rt->addr - id.bias,
					     .version_hex = rt->exact ? rt->off.version_hex : 0 };
		memcpy(e->id, id.id, id.id_len);
		return;
	}
}
