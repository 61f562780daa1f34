/// \file
/// What options may be: each is looked at once, where it is handed over, and refused with a sentence that names it.
#pragma once

#include <weft/errors.hpp>

#include <chrono>
#include <concepts>
#include <limits>
#include <string>
#include <type_traits>

namespace weft {
inline namespace v0 {
namespace detail {

/// What is meant by "for ever", such as `milliseconds::max()`: a hundred years. It can be added to any time, and be counted in nanoseconds.
inline constexpr std::chrono::hours for_ever{24 * 365 * 100};

/// The duration, from 0 to for_ever.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds bounded(std::chrono::duration<Rep, Period> d) noexcept
{
    if (d >= for_ever)
        return for_ever;
    return d > d.zero() ? std::chrono::duration_cast<std::chrono::nanoseconds>(d) : std::chrono::nanoseconds(0);
}

/// The same in the units that options have.
template <class Duration>
constexpr Duration bounded_as(Duration d) noexcept
{
    return std::chrono::duration_cast<Duration>(bounded(d));
}

[[noreturn]] inline void refuse_option(std::string const& name, std::string const& value, std::string const& range)
{
    throw misuse(misuse::code::wrong_call, name + " is " + value + ": it has to be " + range);
}

/// Errors: misuse if the number is not from `least` to `most`.
template <std::unsigned_integral T>
void check_option(std::string const& name, T value, std::type_identity_t<T> least,
                  std::type_identity_t<T> most = std::numeric_limits<T>::max())
{
    if (value < least || value > most)
        refuse_option(name, std::to_string(value),
                      most == std::numeric_limits<T>::max() ? "at least " + std::to_string(least)
                                                            : "from " + std::to_string(least) + " to " + std::to_string(most));
}

/// For times.
template <class Period>
std::string unit() = delete;
template <>
inline std::string unit<std::milli>()
{
    return " ms";
}
template <>
inline std::string unit<std::ratio<1>>()
{
    return " s";
}
template <>
inline std::string unit<std::ratio<60>>()
{
    return " min";
}

/// Errors: misuse if the time is shorter than `least` of its own unit, or longer than `most`.
template <class Rep, class Period>
void check_option(std::string const& name, std::chrono::duration<Rep, Period> value, std::type_identity_t<Rep> least,
                  std::chrono::duration<Rep, Period> most = std::chrono::duration<Rep, Period>::max())
{
    auto const text = [](auto d) { return std::to_string(d.count()) + unit<Period>(); };
    auto const shortest = std::chrono::duration<Rep, Period>(least);
    if (value < shortest || value > most)
        refuse_option(name, text(value),
                      most == most.max() ? "at least " + text(shortest) : "from " + text(shortest) + " to " + text(most));
}

/// Errors: misuse if it is no number from `least` to `most`.
inline void check_option(std::string const& name, double value, double least, double most)
{
    if (!(value >= least && value <= most))
        refuse_option(name, std::to_string(value), "from " + std::to_string(least) + " to " + std::to_string(most));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
