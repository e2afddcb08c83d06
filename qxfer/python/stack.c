/* SPDX-License-Identifier: MIT */
#include "qxfer/python/stack.h"

#include "qxfer/python/values_priv.h"

/* An int of a code object, not negative; false: it cannot be read. */
static bool read_count(struct py_values *v, uint64_t code, uint32_t offset, uint32_t *ret)
{
	int32_t n = -1;
	struct err *err = offset == PY_NONE ? NULL : val_read(v, code + offset, &n, sizeof(n));
	*ret = (uint32_t)n;
	bool good = !err && n >= 0;
	err_drop(err);
	return good;
}

bool py_stack_find(struct py_values *v, const struct py_lock_layout *lay, const struct py_frame *f,
		   uint64_t *ret, uint32_t *n)
{
	uint32_t size, nslots;
	if (!read_count(v, f->code_addr, lay->code.stacksize, &size))
		return false;
	*n = size < PY_STACK_MAX ? size : PY_STACK_MAX;
	if (lay->frame.stack != PY_NONE) {
		struct err *err = val_word(v, f->addr, lay->frame.stack, ret);
		bool good = !err && *ret && *ret % 8 == 0;
		err_drop(err);
		return good;
	}
	if (!read_count(v, f->code_addr, lay->code.nslots, &nslots) || lay->frame.slots == PY_NONE)
		return false;
	*ret = f->addr + lay->frame.slots + 8 * (uint64_t)nslots;
	return true;
}
