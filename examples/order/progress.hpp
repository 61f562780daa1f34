// How far a load is: a bar where a person watches, lines where a program reads.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

class progress
{
public:
    struct figures
    {
        std::size_t done = 0, of = 0;
        std::size_t earlier = 0;  // of those done: by an earlier run
        std::size_t in_flight = 0;
    };

    // Lines go to stdout when that is no terminal, one every `every`; the bar goes to stderr when that is one.
    explicit progress(std::chrono::milliseconds every);
    ~progress();
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;

    void show(figures const&);

    // Takes the bar away.
    void clear();

private:
    void draw(figures const&, double per_second);

    using clock = std::chrono::steady_clock;
    bool                      bar_, lines_;
    bool                      drawn_ = false;
    std::chrono::milliseconds every_;
    clock::time_point         began_ = clock::now(), last_drawn_{}, last_line_{};
};
