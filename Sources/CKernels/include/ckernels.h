#pragma once
#include "attention.h"
#include "convolution.h"
#include "elementwise.h"
#include "threadpool.h"
#include "widen.h"
