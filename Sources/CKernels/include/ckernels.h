#pragma once
#include "threadpool.h"
