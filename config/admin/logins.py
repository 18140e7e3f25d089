"""The pages on which staff show who they are, and set up, renew and remove their second factor; and who failed to log in."""

from base64 import b32encode
from typing import Any

import segno
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.views import View
from django_otp import login as verify
from django_otp import user_has_device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from config import lockout, logins
from organizations.admin import ViewOnlyAdmin

CODES = 10
WRONG_CODE = "This is not the code of now, or it was used. After several wrong ones, wait a while."
WRONG_PASSWORD = "This is not your password."

# The pages of the library show the secrets of everybody's devices, and move a device to somebody else without asking who has more.
admin.site.unregister(TOTPDevice)
admin.site.unregister(StaticDevice)


class CodeForm(forms.Form):
    """A code of the second factor."""

    code = forms.CharField(
        max_length=16,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}
        ),
        help_text="The six digits that the app shows now, or one of your recovery codes.",
    )

    def clean_code(self) -> str:
        return "".join(str(self.cleaned_data["code"]).split()).lower()


class FirstCodeForm(CodeForm):
    """A code of an app that is being set up: there are no recovery codes yet."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].help_text = "The six digits that the app shows now."


class PasswordForm(forms.Form):
    """The password of whoever is logged in."""

    password = forms.CharField(
        max_length=4096,
        strip=False,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "current-password", "autofocus": True}
        ),
    )


class PasswordAndCodeForm(CodeForm, PasswordForm):
    """Both."""

    field_order = ("password", "code")


class ShowForm(View):
    """A page that asks who is there, and leads on."""

    title: str
    lead: str

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page(self.form())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self.form(request.POST)
        if not form.is_valid() or not self.is_shown(form):
            return self.page(form)
        logins.shown(request)
        return redirect(self.leads_to())

    def form(self, data: Any = None) -> forms.Form:
        """Return the form of the page."""
        raise NotImplementedError

    def is_shown(self, form: forms.Form) -> bool:
        """Whether what was sent shows it. Says on the form why not."""
        raise NotImplementedError

    def code_fits(self, form: forms.Form) -> bool:
        device = logins.device_of_code(self.request, form.cleaned_data["code"])
        if device is None:
            form.add_error("code", WRONG_CODE)
            return False
        verify(self.request, device)
        self.request.session.cycle_key()
        return True

    def is_paused(self, form: forms.Form) -> bool:
        """Whether there were too many failures, which the form then says."""
        credentials = {"username": self.request.user.get_username()}
        if lockout.is_allowed(self.request, credentials):
            return False
        form.add_error(None, lockout.pause())
        return True

    def leads_to(self) -> str:
        """Return where whoever asks came from, if that is one of our own pages."""
        target = self.request.GET.get("next", "")
        own = url_has_allowed_host_and_scheme(
            target, {self.request.get_host()}, require_https=self.request.is_secure()
        )
        return target if own else reverse("admin:index")

    def page(self, form: forms.Form) -> HttpResponse:
        context = {
            **admin.site.each_context(self.request),
            "title": self.title,
            "lead": self.lead,
            "form": form,
        }
        return TemplateResponse(self.request, "admin/show.html", context)


class SecondStep(ShowForm):
    """The second step of a login."""

    title = "Second step"
    lead = "Your password was right. Now the code of your second factor."

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.is_authenticated:
            return redirect("admin:login")
        if not logins.must_verify(request):
            return redirect(self.leads_to())
        return super().dispatch(request, *args, **kwargs)

    def form(self, data: Any = None) -> forms.Form:
        return CodeForm(data)

    def is_shown(self, form: forms.Form) -> bool:
        return not self.is_paused(form) and self.code_fits(form)


class Reauthenticate(ShowForm):
    """Who is there, once more."""

    title = "Is it still you?"
    lead = "The next page changes who may do what. Show once more who you are; then it goes on where you were."

    def form(self, data: Any = None) -> forms.Form:
        has_device = user_has_device(self.request.user)
        return PasswordAndCodeForm(data) if has_device else PasswordForm(data)

    def is_shown(self, form: forms.Form) -> bool:
        if self.is_paused(form):
            return False
        if not logins.knows_password(self.request, form.cleaned_data["password"]):
            form.add_error("password", WRONG_PASSWORD)
            return False
        return "code" not in form.cleaned_data or self.code_fits(form)


class SecondFactor(View):
    """One's own second factor: set up, renew the recovery codes, remove."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest) -> HttpResponse:
        acts = {"begin": self.begin, "confirm": self.confirm, "codes": self.codes}
        acts |= {"remove": self.remove}
        act = acts.get(request.POST.get("act", ""), self.page)
        return act()

    def begin(self) -> HttpResponse:
        """Make a secret, and show it until a code shows that it arrived."""
        if self.is_on():
            return self.page()
        self.pending().delete()
        TOTPDevice.objects.create(user=self.user, name="App", confirmed=False)
        return self.page(form=FirstCodeForm())

    def confirm(self) -> HttpResponse:
        form = FirstCodeForm(self.request.POST)
        with transaction.atomic():
            device = self.pending().select_for_update().first()
            if device is None or self.is_on():
                return self.page()
            if not form.is_valid() or not device.verify_token(form.cleaned_data["code"]):
                form.add_error("code", WRONG_CODE)
                return self.page(form=form)
            device.confirmed = True
            device.save()
            logins.note(self.user, self.user, "Second factor: none → set up")
            codes = self.new_codes()
        verify(self.request, device)
        self.request.session.cycle_key()
        return self.page(codes=codes)

    def codes(self) -> HttpResponse:
        """Replace the recovery codes."""
        if not self.is_on():
            return self.page()
        with transaction.atomic():
            logins.note(self.user, self.user, "Second factor: new recovery codes")
            return self.page(codes=self.new_codes())

    def remove(self) -> HttpResponse:
        with transaction.atomic():
            if logins.forget_devices(self.user):
                logins.note(self.user, self.user, "Second factor: set up → none")
        messages.success(self.request, "The second factor is removed.")
        return redirect("second-factor")

    @property
    def user(self) -> Any:
        return self.request.user

    def is_on(self) -> bool:
        is_on: bool = TOTPDevice.objects.devices_for_user(self.user, confirmed=True).exists()
        return is_on

    def pending(self) -> QuerySet[TOTPDevice]:
        """Return the device that was begun and not confirmed."""
        devices: QuerySet[TOTPDevice] = TOTPDevice.objects.devices_for_user(
            self.user, confirmed=False
        )
        return devices

    def new_codes(self) -> list[str]:
        """Make recovery codes, each good for one login. They are shown once."""
        StaticDevice.objects.devices_for_user(self.user, confirmed=None).delete()
        device = StaticDevice.objects.create(user=self.user, name="Recovery codes")
        codes = [StaticToken.random_token() for _ in range(CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
        return codes

    def page(self, form: CodeForm | None = None, codes: list[str] | None = None) -> HttpResponse:
        device = self.pending().first() if form else None
        context = {
            **admin.site.each_context(self.request),
            "title": "Second factor",
            "is_on": self.is_on(),
            "form": form,
            "codes": codes,
            "codes_left": StaticToken.objects.filter(device__user=self.user).count(),
            "needed": logins.must_enrol(self.request),
        }
        if device is not None:
            context |= {
                "secret": b32encode(device.bin_key).decode(),
                "picture": picture(device.config_url),
            }
        page = TemplateResponse(self.request, "admin/second_factor.html", context)
        add_never_cache_headers(page)
        return page


def picture(text: str) -> SafeString:
    """Return a text as a QR code that is part of the page: dark on light, in the dark theme too."""
    code = segno.make(text, error="m")
    return mark_safe(code.svg_inline(scale=4, light="white", title="The secret as a QR code"))


@admin.register(AccessFailureLog)
class FailureAdmin(ViewOnlyAdmin):
    """Logins that failed, the newest hundred thousand."""

    nothing = "Nobody failed to log in."
    list_display = ("attempt_time", "username", "ip_address", "locked_out", "path_info")
    list_filter = ("locked_out",)
    search_fields = ("username", "ip_address")
    ordering = ("-id",)


@admin.register(AccessAttempt)
class AttemptAdmin(ViewOnlyAdmin):
    """Who failed of late, and how often: what the pause is decided by."""

    exported = False  # rows of a few minutes, with what was typed

    list_display = ("attempt_time", "username", "ip_address", "failures_since_start")
    search_fields = ("username", "ip_address")
    ordering = ("-id",)
    fields = ("username", "ip_address", "user_agent", "failures_since_start", "attempt_time")


@admin.register(AccessLog)
class AccessAdmin(ViewOnlyAdmin):
    """Logins, and when they ended."""

    not_in_file = ("session_hash",)

    list_display = ("attempt_time", "logout_time", "username", "ip_address")
    search_fields = ("username", "ip_address")
    ordering = ("-id",)
    fields = ("username", "ip_address", "user_agent", "attempt_time", "logout_time")
