#ifndef PBT_FUZZ_H
#define PBT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "support/support.h"

/* The name and form are libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
