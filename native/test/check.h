// The least of a test framework: named tests and a check that says where and what.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

struct Test {
  std::string name;
  std::function<void()> run;
};

inline std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

inline int& Failures() {
  static int failures = 0;
  return failures;
}

struct AddTest {
  AddTest(std::string name, std::function<void()> run) { Tests().push_back({std::move(name), std::move(run)}); }
};

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define TEST(name)                                       \
  static void JOIN(Test, __LINE__)();                    \
  static AddTest JOIN(Add, __LINE__)(name, JOIN(Test, __LINE__)); \
  static void JOIN(Test, __LINE__)()

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::printf("    %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);     \
      Failures()++;                                                               \
    }                                                                             \
  } while (false)
