/* SPDX-License-Identifier: MIT */
#include "stub/base/names.h"

#include <stdlib.h>
#include <string.h>

#include "stub/base/image.h"

#define TABLES_MAX (64u << 20) /* bytes of them that are read */

void names_deinit(struct names *n)
{
	symbols_deinit(&n->symbols);
	free(n->slot);
	*n = (struct names){ 0 };
}

static uint32_t *find_slot(const struct names *n, const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ull;
	size_t i = (h ^ h >> 32) & (n->slots - 1);
	while (n->slot[i] &&
	       strcmp(n->symbols.names + n->symbols.symbol[n->slot[i] - 1].name, name) != 0)
		i = (i + 1) & (n->slots - 1);
	return &n->slot[i];
}

bool names_has(const struct names *n, const char *name)
{
	return n->slots && *find_slot(n, name);
}

static struct err *add_image(struct names *n, struct mem *m, uint64_t base)
{
	struct image img;
	struct err *err = image_open(m, base, &img);
	if (!err) {
		err = symbols_add_dynamic(&n->symbols, &img);
		image_deinit(&img);
	}
	if (err && err->code == ERR_NOMEM)
		return err;
	err_drop(err); /* no ELF image, or one that cannot be read */
	return NULL;
}

static struct err *make_slots(struct names *n)
{
	free(n->slot);
	for (n->slots = 1024; n->slots < n->symbols.n * 2;)
		n->slots *= 2;
	n->slot = calloc(n->slots, sizeof(*n->slot));
	if (!n->slot) {
		n->slots = 0;
		return &err_nomem;
	}
	for (size_t i = 0; i < n->symbols.n; i++) {
		uint32_t *slot = find_slot(n, n->symbols.names + n->symbols.symbol[i].name);
		*slot = *slot ? *slot : (uint32_t)i + 1;
	}
	return NULL;
}

struct err *names_add(struct names *n, const struct space *space)
{
	struct err *err = NULL;
	for (size_t i = 0; !err && i < space->maps->n; i++) {
		const struct map *m = &space->maps->map[i];
		if (m->inode && !m->offset && m->prot & MAP_R && n->symbols.looked_at < TABLES_MAX)
			err = add_image(n, space->mem, m->start);
	}
	return err ? err : make_slots(n);
}
