/* SPDX-License-Identifier: MIT */
/*
 * The images that code runs in: their unwind tables and their functions' names.
 *
 * Found one by one, as addresses are asked for, and kept from stop to stop while
 * the same file stays mapped at the same place.
 */
#ifndef QXFER_UNWIND_MODULES_H
#define QXFER_UNWIND_MODULES_H

#include "qxfer/unwind/cfi.h"
#include "stub/base/space.h"
#include "stub/base/symbols.h"

#define MODULES_MAX	    4096u
/* In one stop: images looked at, pieces of .eh_frame without a header, bytes for names. */
#define MODULES_OPENED_MAX  (2 * MODULES_MAX)
#define MODULES_INDEXED_MAX (1u << 25)
#define MODULES_NAMED_MAX   (1u << 29)

struct module {
	struct map first; /* of its mappings; its path is `path' */
	uint64_t lo, hi;  /* [lo, hi): run-time addresses of its segments */
	uint64_t bias;	  /* run-time address minus the address in the file */
	char *path;	  /* as the inferior sees it, or "[vdso]" */
	struct cfi_table table;
	struct cfi_entry *index; /* what table.index points to, if it was made here */
	struct symbols symbols;
	bool symbols_read;
};

struct modules {
	struct module **module; /* sorted by lo */
	size_t n, cap;
	uint64_t epoch, generation; /* of the space they were last checked against */
	const struct mem *mem;
	/* What may still be done in this stop. */
	unsigned int to_open;
	uint64_t to_index, to_name;
	/* The image last looked at in vain, of the mapping that starts at `first': it holds
	 * [lo, hi) only, or is none at all. */
	struct {
		uint64_t first, lo, hi;
	} vain;
};

void modules_deinit(struct modules *ms);

/*
 * Forgets those that are not mapped any more.  *changed: there were some, so that
 * what was concluded from them is void.
 */
void modules_refresh(struct modules *ms, const struct space *s, bool *changed);

/* The image that @addr lies in; NULL: none.  Lent until one is forgotten. */
struct err *modules_find(struct modules *ms, const struct space *s, uint64_t addr,
			 struct module **ret) MUST_CHECK;

/* The function that @addr is in, *offset bytes from its start; NULL: it has no name. */
struct err *modules_symbol(struct modules *ms, struct module *m, const struct space *s,
			   uint64_t addr, const char **name, uint64_t *offset) MUST_CHECK;

#endif
