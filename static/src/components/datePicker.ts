import { defineAsyncComponent } from 'vue'

/** Element's own, a tenth of all libraries: it comes when a page first shows one. */
export const ElDatePicker = defineAsyncComponent(
  async () => (await import('element-plus/es/components/date-picker/index')).ElDatePicker,
)
