#include "workflow/program/led_body.hpp"

#include <weft/workflow.hpp>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <cstring>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t name_limit = 128;

std::string file_name(char const* path)
{
    auto const* slash = std::strrchr(path, '/');
    return slash ? slash + 1 : path;
}

boost::uuids::uuid derived(std::string const& name)
{
    boost::uuids::name_generator_sha1 const generate(boost::uuids::ns::oid());
    return generate(name);
}

}  // namespace

std::string place_in_code(std::source_location const& where) { return file_name(where.file_name()) + ':' + std::to_string(where.line()); }

void led_body::prepare(program const& p, std::string_view input)
{
    context_ = std::make_unique<context>(static_cast<attempt_core&>(*this));
    body_ = p.start(*context_, input);
}

void led_body::drop() noexcept
{
    body_.reset();
    context_.reset();
}

void led_body::run(std::coroutine_handle<> what)
{
    runs_ = true;
    what.resume();
    runs_ = false;
}

void led_body::name(branch_call& call, std::string const& id)
{
    resumed_id_ = id;
    call.id = &resumed_id_;
}

bool led_body::read_answer(branch_call& call, bool recorded)
{
    if (!call.place || call.answer.what != outcome::kind::success)
        return true;
    try
    {
        call.place->read(call);
        return true;
    }
    catch (...)
    {
        stop("the recorded result of branch " + *call.id + " \"" + call.name +
                 "\" no longer converts: " + outcome_of_current_exception().text,
             recorded, true);
        return false;
    }
}

void led_body::stop(std::string reason, bool misfit, bool unreadable) { halt_ = halt{std::move(reason), misfit, unreadable}; }

// ---------------------------------------------------------------------------------------------------------------------
// what it asks for

bool led_body::ask(branch_call& call)
{
    if (halt_)
        return false;
    ++numbers_;
    last_id_ = numbers_ < 10 ? '0' + std::to_string(numbers_) : std::to_string(numbers_);
    call.gid = &gid_;
    call.id = &last_id_;
    auto const refuse = [&](std::string why) {
        stop("branch " + last_id_ + std::move(why));
        return false;
    };
    if (call.refused)
        return refuse(" \"" + call.name + "\": " + call.refused);
    if (call.name.size() > name_limit || !is_utf8(call.name))
        return refuse(": its name is longer than " + std::to_string(name_limit) + " bytes or not UTF-8");
    if (!call.unrecordable.empty())
        return refuse(" \"" + call.name + "\": its arguments cannot be recorded: " + call.unrecordable);
    if (call.arguments_size > payload_limit_)
        return refuse(" \"" + call.name + "\": its arguments take " + std::to_string(call.arguments_size) + " bytes, the limit is " +
                      std::to_string(payload_limit_));
    return to_.asked(call);
}

void led_body::wait(std::coroutine_handle<> body) noexcept
{
    if (!halt_)  // else it is not resumed any more
        to_.waits(body);
}

void led_body::forgotten(branch_call const& call) noexcept { made_and_dropped("a branch \"" + call.name + '"', call.where); }

void led_body::forgotten(std::source_location const& where) noexcept
{
    made_and_dropped(std::string("a part of itself, ") + where.function_name() + ',', where);
}

void led_body::made_and_dropped(std::string const& what, std::source_location const& where)
{
    // A frame that is destroyed drops what is in it.
    if (runs_ && !collects_ && !halt_)
        stop("the body made " + what + " and did not await it (" + place_in_code(where) + "): it would not happen");
}

// ---------------------------------------------------------------------------------------------------------------------
// what it is told of time and chance

std::chrono::system_clock::time_point led_body::now() const noexcept
{
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(facts_.last_at()));
}

std::string led_body::uuid() { return boost::uuids::to_string(derived(gid_ + "/uuid/" + std::to_string(++uuids_))); }

std::uint64_t led_body::random()
{
    auto const    id = derived(gid_ + "/random/" + std::to_string(++randoms_));
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i)
        number = number << 8 | id.data[i];
    return number;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
