// How a parent starts its child and how the child comes back: which way stays flat when 100,000 children in a row finish
// without waiting, as they do when a long journal is replayed.
//
// Symmetric transfer (await_suspend returns the handle to resume) needs the compiler to make that resumption a tail call.
// g++ does not at -O0, nor when a sanitizer is on: the stack grows with every child until it overflows. So weft resumes
// the child from a `bool await_suspend` and reports "already done" by returning false; the parent is resumed by the
// child's final awaiter only if it did suspend.
//
// Depth is measured by frame addresses, not by overflowing, so that the probe can report instead of dying.
//
//   stack_depth flat        the way weft uses: must be flat on every compiler and at every optimisation level
//   stack_depth symmetric   reports; with the argument `must-grow` it fails if this compiler has become flat

#include <coroutine>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <utility>

namespace {

struct extent
{
    std::uintptr_t low = UINTPTR_MAX, high = 0;
    void           note()
    {
        // Not the address of a local: under ASan locals may live on a fake stack, frames do not.
        auto const here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        low = here < low ? here : low;
        high = here > high ? here : high;
    }
    std::uintptr_t bytes() const { return high - low; }
};

template <bool Symmetric>
struct task
{
    struct promise_type
    {
        std::coroutine_handle<> parent;  // set once the parent has really suspended

        task                get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct final_awaiter
        {
            bool                    await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept requires Symmetric
            {
                auto const parent = self.promise().parent;
                return parent ? parent : std::noop_coroutine();
            }
            void await_suspend(std::coroutine_handle<promise_type> self) noexcept requires(!Symmetric)
            {
                if (auto const parent = self.promise().parent)
                    parent.resume();
            }
            void await_resume() noexcept { }
        };
        final_awaiter final_suspend() noexcept { return {}; }
        void          return_void() { }
        void          unhandled_exception() { std::terminate(); }
    };

    std::coroutine_handle<promise_type> frame;

    task(std::coroutine_handle<promise_type> f) : frame{f} { }
    task(task&& other) noexcept : frame{std::exchange(other.frame, {})} { }
    ~task()
    {
        if (frame)
            frame.destroy();
    }

    bool                    await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) requires Symmetric
    {
        frame.promise().parent = parent;
        return frame;
    }
    bool await_suspend(std::coroutine_handle<> parent) requires(!Symmetric)
    {
        frame.resume();
        if (frame.done())
            return false;  // the parent goes on in its own frame, with the stack as it was
        frame.promise().parent = parent;
        return true;
    }
    void await_resume() noexcept { }
};

template <bool Symmetric>
task<Symmetric> child(extent& stack)
{
    stack.note();
    co_return;
}

template <bool Symmetric>
task<Symmetric> parent(extent& stack, int children)
{
    for (int i = 0; i != children; ++i)
        co_await child<Symmetric>(stack);
}

template <bool Symmetric>
std::uintptr_t depth_of(int children)
{
    extent stack;
    task   whole = parent<Symmetric>(stack, children);
    whole.frame.resume();
    if (!whole.frame.done())
        std::printf("did not finish\n");
    return whole.frame.done() ? stack.bytes() : UINTPTR_MAX;
}

}  // namespace

int main(int argc, char** argv)
{
    constexpr std::uintptr_t flat = 4096;  // a few frames of slack; growth is 100 bytes a child and more

    bool const symmetric = argc > 1 && std::strcmp(argv[1], "symmetric") == 0;
    bool const must_grow = argc > 2 && std::strcmp(argv[2], "must-grow") == 0;
    if (!symmetric)
    {
        std::uintptr_t const bytes = depth_of<false>(100'000);
        std::printf("bool await_suspend, 100,000 children: stack varies by %llu bytes\n", static_cast<unsigned long long>(bytes));
        return bytes < flat ? 0 : 1;
    }
    std::uintptr_t const bytes = depth_of<true>(1'000);  // few enough not to overflow
    std::printf("symmetric transfer, 1,000 children: stack varies by %llu bytes: this compiler, at this optimisation level, is %s\n",
                static_cast<unsigned long long>(bytes), bytes < flat ? "not affected" : "AFFECTED");
    return must_grow && bytes < flat ? 1 : 0;
}
