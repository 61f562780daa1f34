#include "workflow/engine/programs.hpp"

#include "workflow/engine/intake.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

void programs::add(std::string name, std::unique_ptr<program> p)
{
    if (!programs_.emplace(name, std::move(p)).second)
        throw misuse(misuse::code::wrong_call, "a workflow \"" + name + "\" is there already");
    names_.push_back(std::move(name));
}

void programs::declare(std::string name)
{
    check_name(name);
    declared_.insert(std::move(name));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
