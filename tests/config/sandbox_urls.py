"""The addresses as a sandbox has them: which are read when a process starts."""

from config import urls

urlpatterns = [*urls.sandbox_only, *urls.urlpatterns]
handler400, handler403, handler404, handler500 = urls.handler400, urls.handler403, urls.handler404, urls.handler500
