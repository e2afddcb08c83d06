/* SPDX-License-Identifier: MIT */
/* Files of this machine. */
#ifndef STUB_BASE_IO_H
#define STUB_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>

/* All @len bytes, however many calls that takes; false: errno says why not. */
bool write_all(int fd, const void *data, size_t len);

#endif
